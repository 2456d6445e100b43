import { isBookkeeping, listFiles, readTextOrNull } from "../cache/files.ts";
import type { PlacementPlan } from "../cache/types.ts";
import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import { readRegularTextSync } from "../os/read_regular_file.ts";
import { compareSigned, UNSIGNED_REASONS, type UnsignedFile } from "../signing/compare_signed.ts";
import { readBundle } from "../signing/read_bundle.ts";
import { signedFiles, type Signer } from "../signing/signed_files.ts";
import type { Digest } from "../sources/manifest.ts";
import { hashPool } from "../transfer/hash/hash_pool.ts";
import type { TransferResult } from "../transfer/types.ts";

/** Name of a model's own signature. */
export const OWN_SIGNATURE = "model.sig";

/** The required signature and signer. */
export interface SignatureTrust {
  /** The operator's file; `null` for the model's own signature. */
  readonly file: string | null;
  readonly signer: Signer;
}

/** A file of a model, wherever it is. */
export interface PlacedFile {
  readonly path: string;
  readonly absolute: string;
  /** If it is verified already; `null`: it is hashed. */
  readonly sha256: string | null;
}

/**
 * The signature that the settings require; `null` for none.
 *
 * @throws {AimError} `usage` if a signature is named without a key, or a key cannot be read.
 */
export function signatureTrust(
  { modelSignature, signatureKey, signatureCertificates }: Pick<
    Config,
    "modelSignature" | "signatureKey" | "signatureCertificates"
  >,
): SignatureTrust | null {
  if (signatureKey !== null && signatureCertificates !== null) {
    throw new AimError("usage", "both a key and a certificate chain are given for the signature", {
      hint: "give the one that the model was signed with",
    });
  }
  if (signatureKey !== null) {
    return { file: modelSignature, signer: { kind: "key", pem: pemOf(signatureKey) } };
  }
  if (signatureCertificates !== null) {
    return { file: modelSignature, signer: { kind: "certificates", pem: pemOf(signatureCertificates) } };
  }
  if (modelSignature === null) return null;
  throw new AimError("usage", `the signature ${modelSignature} is named, but not its signer`, {
    hint: "give --key or --certificate-chain",
  });
}

function pemOf(path: string): string {
  const read = readRegularTextSync(path);
  if (read.kind === "ok") return read.value;
  const why = read.kind === "absent" ? "there is no such file" : read.reason;
  throw new AimError("usage", `${path} cannot be read: ${why}`, { hint: "name a file in PEM" });
}

/**
 * Finds the files of a model that differ from what was signed.
 *
 * @param model For messages.
 * @throws {AimError} `integrity` if the signature is missing or refused.
 */
export async function unsignedFiles(
  { file, signer }: SignatureTrust,
  model: string,
  files: readonly PlacedFile[],
  signal: AbortSignal,
): Promise<UnsignedFile[]> {
  const own = files.find((one) => one.path === OWN_SIGNATURE);
  const path = file ?? own?.absolute ?? null;
  const text = path === null ? null : await readTextOrNull(path);
  if (path === null || text === null) {
    const what = file === null ? `${model} has no ${OWN_SIGNATURE}` : `there is no signature ${file}`;
    throw new AimError("integrity", `${what}, and a signature is required`, {
      hint: "name it with --signature, or leave out --key and --certificate-chain",
    });
  }
  const signed = signedFiles(readBundle(text, path), signer, path);
  const digests = new Map<string, string>();
  const pool = hashPool();
  const stop = () => pool.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.all(
      files.filter((one) => one.path !== OWN_SIGNATURE).map(async (one) => {
        const sha256 = one.sha256 ?? (await pool.hash(one.absolute, ["sha256"])).sha256;
        if (sha256 !== undefined) digests.set(one.path, sha256);
      }),
    );
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    pool.close();
  }
  return compareSigned(signed, digests);
}

/** @throws {AimError} `integrity`, naming the first file that differs from what was signed. */
export async function assertSigned(
  trust: SignatureTrust,
  model: string,
  files: readonly PlacedFile[],
  signal: AbortSignal,
): Promise<void> {
  const [first, ...more] = await unsignedFiles(trust, model, files, signal);
  if (first === undefined) return;
  const rest = more.length === 0 ? "" : `, and ${more.length} more`;
  throw new AimError("integrity", `${model}: ${first.path} ${UNSIGNED_REASONS[first.kind]}${rest}`, {
    hint: "get the complete model (--files all, no filters) from its signer",
  });
}

/** The files of a model in the cache, unverified. @param path Its directory, or the snapshot. */
export async function cachedFiles(path: string): Promise<PlacedFile[]> {
  const files = await listFiles(path, { skip: isBookkeeping });
  return [...files.keys()].map((file) => ({ path: file, absolute: `${path}/${file}`, sha256: null }));
}

/** The files of a finished transfer, before they are published. */
export function placedFiles(
  directory: string,
  files: readonly { readonly path: string; readonly etag: string; readonly digest: Digest | null }[],
  { blobs, copies }: PlacementPlan,
  result: TransferResult,
): PlacedFile[] {
  const targets = new Map(result.files.map(({ file, target }) => [file.path as string, target]));
  const twins = new Map(result.files.map(({ file, target }) => [file.etag, target]));
  const proven = new Set(
    result.files.filter(({ proof }) => proof === "digest").map(({ file }) => file.path as string),
  );
  return files.map(({ path, etag, digest }) => {
    const blob = blobs.get(path);
    const absolute = targets.get(path) ?? copies.get(path) ??
      (blob !== undefined ? `${directory}/blobs/${blob}` : twins.get(etag) ?? `${directory}/${path}`);
    // Files of earlier runs are hashed again.
    return { path, absolute, sha256: proven.has(path) && digest?.algorithm === "sha256" ? digest.hex : null };
  });
}

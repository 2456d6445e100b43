import { listFiles, readTextOrNull } from "../cache/files.ts";
import { HashPool } from "../transfer/hash/hash_pool.ts";
import type { PlacedFile } from "../cache/placement.ts";
import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import { readRegularTextSync } from "../os/read_regular_file.ts";
import { compareSigned, signedFiles, type Signer, type UnsignedFile } from "../signing/signed_files.ts";

export const OWN_SIGNATURE = "model.sig";

export interface SignatureTrust {
  /** The operator's file; `null` for the model's own signature. */
  readonly file: string | null;
  readonly signer: Signer;
}

/** A file of a model, wherever it is. */
export interface SignedFile {
  readonly path: string;
  readonly absolute: string;
  /** Known if it has been verified; `null` if it must be hashed. */
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
    const both = `the key ${signatureKey} and the certificate chain ${signatureCertificates}`;
    throw new AimError("usage", `${both} are both given for the signature`, {
      hint: "give the one that the model was signed with",
    });
  }
  const path = signatureKey ?? signatureCertificates;
  if (path === null) {
    if (modelSignature === null) return null;
    throw new AimError("usage", `the signature ${modelSignature} is named, but not its signer`, {
      hint: "give --key or --certificate-chain",
    });
  }
  const pem = readRegularTextSync(path);
  if (pem.kind !== "ok") {
    throw new AimError("usage", `${path} cannot be read: ${pem.reason}`, { hint: "name a PEM file" });
  }
  const kind = signatureKey === null ? "certificates" : "key";
  return { file: modelSignature, signer: { kind, path, pem: pem.value } };
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
  files: readonly SignedFile[],
  signal: AbortSignal,
): Promise<UnsignedFile[]> {
  const own = files.find((one) => one.path === OWN_SIGNATURE);
  const path = file ?? own?.absolute ?? null;
  const text = path === null ? null : await readTextOrNull(path);
  if (path === null || text === null) {
    const what = file === null ? `${model} has no ${OWN_SIGNATURE}` : `the signature ${file} does not exist`;
    throw new AimError("integrity", `${what}, but a signature is required`, {
      hint: "name it with --signature, or leave out --key and --certificate-chain",
    });
  }
  const signed = signedFiles(text, signer, path);
  const digests = new Map<string, string>();
  using hasher = new HashPool({ signal });
  await Promise.all(
    files.filter((one) => one.path !== OWN_SIGNATURE).map(async (one) => {
      const sha256 = one.sha256 ?? (await hasher.hash(one.absolute, ["sha256"])).sha256;
      if (sha256 !== undefined) digests.set(one.path, sha256);
    }),
  );
  return compareSigned(signed, digests);
}

/** @throws {AimError} `integrity`, naming the first file that differs from what was signed. */
export async function assertSigned(
  trust: SignatureTrust,
  model: string,
  files: readonly SignedFile[],
  signal: AbortSignal,
): Promise<void> {
  const [first, ...more] = await unsignedFiles(trust, model, files, signal);
  if (first === undefined) return;
  const rest = more.length === 0 ? "" : `, and ${more.length} more`;
  throw new AimError("integrity", `${model}: ${first.path} ${first.reason}${rest}`, {
    hint: "get the complete model (--files all, no filters) from its signer",
  });
}

/**
 * Files of a model's directory, or of its snapshot, which are not verified yet. @param paths @default {all}
 */
export async function filesIn(directory: string, paths?: readonly string[]): Promise<SignedFile[]> {
  const all = paths ?? [...(await listFiles(directory)).keys()];
  return all.map((path) => ({ path, absolute: `${directory}/${path}`, sha256: null }));
}

/** Files that are not published yet. */
export function unpublished(placed: readonly PlacedFile[]): SignedFile[] {
  return placed.map(({ file: { path, digest }, at, proof }) => {
    // Files of earlier runs are hashed again.
    const isProven = proof === "digest" && digest?.algorithm === "sha256";
    return { path, absolute: at, sha256: isProven ? digest.hex : null };
  });
}

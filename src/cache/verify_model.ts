import type { Digest } from "../sources/manifest.ts";
import type { HashPool } from "../transfer/hash/hash_pool.ts";
import { eachOf } from "./each_of.ts";
import { isBookkeeping, listTree, statOrNull } from "./files.ts";
import { MANIFEST, snapshotRecord } from "./layout.ts";
import { strayLinks } from "./links.ts";
import type { ListedModel } from "./list_models.ts";
import { readMetadata } from "./python_metadata.ts";
import { type ModelRecord, readRecord } from "./record.ts";

/** What verifying found of a file. */
export interface FileFinding {
  readonly path: string;
  /** `unknown`: nothing says what its digest should be, or that it belongs to the model. */
  readonly state: "good" | "bad" | "missing" | "unknown";
  /** One clause. */
  readonly reason: string;
}

/** What verifying found of a model. */
export interface Verification {
  readonly model: Pick<ListedModel, "name" | "layout" | "commit" | "path">;
  /** Every file was hashed and is what it should be. */
  readonly whole: boolean;
  /** Bytes hashed. */
  readonly bytes: number;
  readonly good: number;
  /** Every file that is not good. */
  readonly findings: readonly FileFinding[];
}

/** Options of {@linkcode verifyModel}. */
export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Where links may lead. @default {the model's own folder} */
  readonly roots?: readonly string[];
  /** Told of bytes hashed since the last call. */
  readonly onBytes?: (bytes: number) => void;
}

/** Hashes all files of a model, several at a time, and compares with what they were downloaded as. */
export async function verifyModel(model: ListedModel, options: VerifyOptions = {}): Promise<Verification> {
  const { digestMatches, isGuess } = await import("../transfer/hash/digests.ts");
  const { hashPool } = await import("../transfer/hash/hash_pool.ts");
  const folder = folderOfModel(model);
  const { files, links } = await listTree(model.path, { skip: isBookkeeping });
  const strays = strayLinks(model.path, links, options.roots ?? [folder]);
  const expected = await expectations(model, [...files.keys()]);
  const pool = hashPool();
  const stop = () => pool.close();
  options.signal?.addEventListener("abort", stop, { once: true });
  let bytes = 0;
  try {
    const findings = await eachOf([...expected], async ([path, want]): Promise<FileFinding> => {
      options.signal?.throwIfAborted();
      const target = strays.get("") ?? strays.get(path);
      if (target !== undefined) {
        return { path, state: "bad", reason: `a symbolic link leads out of the cache, to ${target}` };
      }
      return await check({ pool, digestMatches, isGuess }, `${model.path}/${path}`, path, want, (more) => {
        bytes += more;
        options.onBytes?.(more);
      });
    }, 8);
    const bad = findings.filter((finding) => finding.state !== "good");
    // A shard that is missing has no digest here: the judgement of the whole knows of it.
    if (model.state === "partial" && bad.every((finding) => finding.state === "unknown")) {
      bad.push({ path: "", state: "missing", reason: model.reason });
    }
    const { name, layout, commit, path } = model;
    return {
      model: { name, layout, commit, path },
      whole: bad.length === 0 && findings.length > 0,
      bytes,
      good: findings.filter((finding) => finding.state === "good").length,
      findings: bad,
    };
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", stop);
    pool.close();
  }
}

interface Expectation {
  readonly size: number | null;
  readonly digest: Digest | null;
  /** No part of what was downloaded. */
  readonly extra?: true;
}

interface Hashing {
  readonly pool: HashPool;
  readonly digestMatches: typeof import("../transfer/hash/digests.ts").digestMatches;
  readonly isGuess: typeof import("../transfer/hash/digests.ts").isGuess;
}

/** What each file should be: by aim's record, else by Python's metadata, else by the names of blobs. */
async function expectations(
  model: ListedModel,
  names: readonly string[],
): Promise<Map<string, Expectation>> {
  const { path, layout, commit } = model;
  const record = layout === "local"
    ? await readRecord(`${path}/${MANIFEST}`)
    : commit === null
    ? null
    : await readRecord(snapshotRecord(folderOfModel(model), commit));
  if (record !== null) return byRecord(record, names);
  const found = new Map<string, Expectation>();
  for (const file of names) {
    const etag = layout === "local"
      ? (await readMetadata(path, file))?.etag
      : await blobName(`${path}/${file}`);
    found.set(file, { size: null, digest: digestOfEtag(etag) });
  }
  return found;
}

function folderOfModel({ path, layout }: ListedModel): string {
  return layout === "local" ? path : path.replace(/\/snapshots\/[^/]*$/, "");
}

function byRecord(record: ModelRecord, names: readonly string[]): Map<string, Expectation> {
  return new Map<string, Expectation>([
    ...names.map((name) => [name, { size: null, digest: null, extra: true }] as const),
    ...record.files.map(({ path, size, digest, blob }) =>
      [path, { size, digest: digest ?? digestOfEtag(blob) }] as const
    ),
  ]);
}

async function blobName(path: string): Promise<string | undefined> {
  try {
    return (await Deno.readLink(path)).split("/").at(-1);
  } catch {
    return undefined;
  }
}

/** The hub's ETags are digests: SHA-256 of LFS files, git's SHA-1 of the rest. */
function digestOfEtag(etag: string | undefined): Digest | null {
  if (etag === undefined) return null;
  if (/^[0-9a-f]{64}$/.test(etag)) return { algorithm: "sha256", hex: etag };
  return /^[0-9a-f]{40}$/.test(etag) ? { algorithm: "git-sha1", hex: etag } : null;
}

async function check(
  { pool, digestMatches, isGuess }: Hashing,
  absolute: string,
  path: string,
  want: Expectation,
  onBytes: (bytes: number) => void,
): Promise<FileFinding> {
  const info = await statOrNull(absolute);
  if (!info?.isFile) return { path, state: "missing", reason: "it is not there" };
  if (want.size !== null && info.size !== want.size) {
    return { path, state: "bad", reason: `it has ${info.size} bytes instead of ${want.size}` };
  }
  if (want.extra) return { path, state: "unknown", reason: "it is no part of what was downloaded" };
  if (want.digest === null) {
    return { path, state: "unknown", reason: "nothing says what its digest should be" };
  }
  try {
    const digests = await pool.hash(absolute, [want.digest], onBytes);
    if (digestMatches(want.digest, digests)) return { path, state: "good", reason: "" };
    if (isGuess(want.digest)) {
      return {
        path,
        state: "unknown",
        reason: "its source does not say how it was uploaded, its ETag proves nothing",
      };
    }
    const { algorithm, hex } = want.digest;
    return { path, state: "bad", reason: `its ${algorithm} is ${digests[algorithm]} instead of ${hex}` };
  } catch (error) {
    return {
      path,
      state: "bad",
      reason: `it cannot be read: ${error instanceof Error ? error.message : error}`,
    };
  }
}

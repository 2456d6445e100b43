import { digestMatches, isGuess } from "../transfer/hash/digests.ts";
import { hashPool } from "../transfer/hash/hash_pool.ts";
import type { Digest } from "../sources/manifest.ts";
import type { HashPool } from "../transfer/hash/hash_pool.ts";
import { eachOf } from "../sources/each_of.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import type { TransferEvent } from "../transfer/types.ts";
import { makeDirectories } from "../os/make_directories.ts";
import { isBookkeeping, listTree, statOrNull } from "./files.ts";
import { damageMarkPath, readDamageMark, writeDamageMark } from "./judge/damage_mark.ts";
import { lookAtLocal } from "./judge/look_at_local.ts";
import { lookAtSnapshot } from "./judge/look_at_snapshot.ts";
import { AIM_FOLDER, UNFINISHED } from "./layout.ts";
import { strayLinks } from "./links.ts";
import type { ListedModel } from "./list_models.ts";
import { readMetadata } from "./python_metadata.ts";
import { folderOfModel, recordOfModel } from "./model_record.ts";
import type { ModelRecord } from "./record.ts";

/** What verifying found of a file. */
export interface FileFinding {
  readonly path: string;
  /** `unknown`: nothing says what its digest should be, or that it belongs to the model. */
  readonly state: "good" | "bad" | "missing" | "unknown";
  /** One clause. */
  readonly reason: string;
  /** Its bytes were read, and are not what they should be. */
  readonly proven?: true;
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
  /** The files that are. */
  readonly goodPaths: readonly string[];
  /** Files that were bad or missing, and have been fetched again. */
  readonly repaired?: readonly string[];
}

/** Options of {@linkcode verifyModel}. */
export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Where links may lead. @default {the model's own folder} */
  readonly roots?: readonly string[];
  /** Told of files and of bytes hashed. */
  readonly onEvent?: (event: TransferEvent) => void;
}

/**
 * Hashes all files of a model, several at a time, and compares with what they were downloaded as. What it finds bad is marked beside the
 * model, so that nothing serves it until it is repaired; a model found good loses its mark.
 */
export async function verifyModel(model: ListedModel, options: VerifyOptions = {}): Promise<Verification> {
  const { signal, onEvent } = options;
  const folder = folderOfModel(model);
  const { files, links, dangling } = await listTree(model.path, { skip: isBookkeeping });
  const roots = options.roots ?? [folder];
  const strays = strayLinks(model.path, links, roots);
  const expected = await expectations(model, [...files.keys(), ...dangling]);
  const pool = hashPool();
  const stop = () => pool.close();
  signal?.addEventListener("abort", stop, { once: true });
  let bytes = 0;
  try {
    const findings = await eachOf([...expected], async ([path, want]): Promise<FileFinding> => {
      signal?.throwIfAborted();
      const target = strays.get("") ?? strays.get(path);
      if (target !== undefined) {
        return { path, state: "bad", reason: `a symbolic link leads out of the cache, to ${target}` };
      }
      const size = files.get(path) ?? 0;
      onEvent?.({ type: "file", path, size, state: "active" });
      const found = await check(
        { pool, digestMatches, isGuess },
        `${model.path}/${path}`,
        path,
        want,
        (more) => {
          bytes += more;
          onEvent?.({ type: "bytes", path, bytes: more });
        },
      );
      onEvent?.({ type: "file", path, size, state: "done" });
      return found;
    }, 8);
    const { name, layout, commit, path } = model;
    await mark(model, folder, findings);
    const good = findings.filter((finding) => finding.state === "good");
    const bad = findings.filter((finding) => finding.state !== "good");
    bad.push(...await judgedFindings(model, roots, bad));
    return {
      model: { name, layout, commit, path },
      whole: bad.length === 0 && good.length > 0,
      bytes,
      good: good.length,
      findings: bad,
      goodPaths: good.map((finding) => finding.path),
    };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
    pool.close();
  }
}

/** Files whose bytes are wrong; what cannot be read, or leads elsewhere, says so by itself each time. */
async function mark(model: ListedModel, folder: string, findings: readonly FileFinding[]): Promise<void> {
  const path = damageMarkPath(folder, model.layout === "local" ? null : model.commit);
  const bad = new Map(findings.filter(({ proven }) => proven).map(({ path, reason }) => [path, reason]));
  if (bad.size === 0 && (await readDamageMark(path)).size === 0) return;
  try {
    makeDirectories(folder, [`${folder}/${AIM_FOLDER}`]);
    writeDamageMark(path, bad);
  } catch (error) {
    log.warn(`${model.name} cannot be marked as damaged: ${errorFrom(error, "writing").message}`);
  }
}

/**
 * What no digest tells: files that an index names, files that are no weights, a download that never ended.
 *
 * @param known What is said already.
 */
export async function judgedFindings(
  { layout, path, commit }: ListedModel,
  roots: readonly string[],
  known: readonly FileFinding[],
): Promise<FileFinding[]> {
  const verdict = layout === "local"
    ? await lookAtLocal(path, undefined, roots)
    : commit === null
    ? { state: "absent" as const, reason: "it has no snapshot" }
    : await lookAtSnapshot(folderOfModel({ path, layout }), commit, roots);
  if (verdict.state === "complete") return [];
  const [first, ...more] = "faults" in verdict ? verdict.faults : [];
  if (first !== undefined) {
    const said = new Set(known.filter(({ state }) => state !== "unknown").map((one) => one.path));
    return [first, ...more].filter((fault) => !said.has(fault.path)).map(({ path, kind, reason }) => ({
      path,
      state: kind === "missing" ? "missing" : "bad",
      reason: reason.startsWith(`${path} `) ? reason.slice(path.length + 1) : reason,
    }));
  }
  // Whole as an adapter, or as what its filters left: nothing is wrong with its files.
  const record = await recordOfModel({ layout, path, commit });
  const isOwnWhole = "remedy" in verdict && record !== null && ["base", "finish"].includes(verdict.remedy) &&
    !(await isUnfinished(path, layout));
  return isOwnWhole ? [] : [{ path: "", state: "missing", reason: verdict.reason }];
}

async function isUnfinished(path: string, layout: ListedModel["layout"]): Promise<boolean> {
  return layout === "local" && await statOrNull(`${path}/${UNFINISHED}`) !== null;
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
  const { path, layout } = model;
  const record = await recordOfModel(model);
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
    return { path, state: "bad", reason: `it has ${info.size} bytes instead of ${want.size}`, proven: true };
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
    return {
      path,
      state: "bad",
      reason: `its ${algorithm} is ${digests[algorithm]} instead of ${hex}`,
      proven: true,
    };
  } catch (error) {
    return {
      path,
      state: "bad",
      reason: `it cannot be read: ${error instanceof Error ? error.message : error}`,
    };
  }
}

import type { Digest } from "../sources/manifest.ts";
import { digestMatches, isGuess } from "../transfer/hash/digests.ts";
import { eachOf } from "../sources/each_of.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import type { TransferEvent } from "../transfer/types.ts";
import { makeDirectories } from "../os/files_below.ts";
import { listTree, statOrNull } from "./files.ts";
import { HashPool } from "../transfer/hash/hash_pool.ts";
import { damageMarkPath, readDamageMark, writeDamageMark } from "./judge/damage_mark.ts";
import { lookAtModel } from "./judge/look_at_model.ts";
import { AIM_FOLDER, folderOfModel, nameOf, recordPath, UNFINISHED } from "./layout.ts";
import type { ListedModel } from "./list_models.ts";
import { readMetadata } from "./python_metadata.ts";
import { readRecord, type RecordedFile } from "./record.ts";

export interface FileFinding {
  readonly path: string;
  /** `unknown`: its digest is not known, or it is not part of the model. */
  readonly state: "good" | "bad" | "missing" | "unknown";
  readonly reason: string;
  /** Its size or digest is wrong. */
  readonly proven?: true;
}

export interface Verification {
  readonly model: Pick<ListedModel, "name" | "layout" | "commit" | "path">;
  readonly bytes: number;
  /** All files, and faults of the model itself, with an empty path. */
  readonly findings: readonly FileFinding[];
  /** Bad or missing files that were downloaded again. */
  readonly repaired?: readonly string[];
}

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Links may point only into these folders. @default {the model's own folder} */
  readonly roots?: readonly string[];
  /** Receives progress: files, and bytes hashed. */
  readonly onEvent?: (event: TransferEvent) => void;
}

/**
 * Hashes all files of a model, several at a time, and compares the digests with those of the download. A bad
 * model is marked, so that it is not served until it is repaired; a good one loses its mark.
 */
export async function verifyModel(model: ListedModel, options: VerifyOptions = {}): Promise<Verification> {
  const { signal, onEvent } = options;
  const roots = options.roots ?? [folderOfModel(model)];
  const { files, dangling, strays } = await listTree(model.path, roots);
  const record = await readRecord(recordPath(model));
  const recorded = new Map(record?.files.map((file) => [file.path, file]));
  let bytes = 0;
  using hasher = new HashPool({ signal });
  const names = new Set([...files.keys(), ...dangling, ...recorded.keys()]);
  const findings = await eachOf([...names], async (path): Promise<FileFinding> => {
    const target = strays.get("") ?? strays.get(path);
    if (target !== undefined) {
      return { path, state: "bad", reason: `a symbolic link leads out of the cache, to ${target}` };
    }
    const size = files.get(path) ?? 0;
    onEvent?.({ type: "file", path, size, state: "active" });
    const expected = record === null ? await expectation(model, path) : recorded.get(path) ?? null;
    const found = await check(hasher, model.path, path, expected, (more) => {
      bytes += more;
      onEvent?.({ type: "bytes", path, bytes: more });
    });
    signal?.throwIfAborted();
    onEvent?.({ type: "file", path, size, state: "done" });
    return found;
  }, 8);
  await mark(model, findings);
  const { name, layout, commit, path } = model;
  const all = [...findings, ...await judgedFindings(model, roots, findings)];
  return { model: { name, layout, commit, path }, bytes, findings: all };
}

/** True for a file that must be downloaded again. */
export function isFault({ state }: FileFinding): boolean {
  return state === "bad" || state === "missing";
}

/** Marks files whose bytes are wrong. Other faults need no mark: every check of the model finds them. */
async function mark(model: ListedModel, findings: readonly FileFinding[]): Promise<void> {
  const folder = folderOfModel(model);
  const path = damageMarkPath(model);
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
 * Faults that digests do not show: missing files of an index, files that are not weights, an unfinished
 * download.
 *
 * @param known Findings that need not be repeated.
 */
export async function judgedFindings(
  model: ListedModel,
  roots: readonly string[],
  known: readonly FileFinding[],
): Promise<FileFinding[]> {
  const { layout, path } = model;
  const verdict = layout === "hub" && model.commit === null
    ? { state: "absent" as const, reason: model.reason }
    : await lookAtModel(model, roots);
  if (verdict.state === "complete") return [];
  const faults = "faults" in verdict ? verdict.faults : [];
  if (faults.length > 0) {
    const said = new Set(known.filter(isFault).map((one) => one.path));
    return faults.filter(({ path }) => !said.has(path))
      .map(({ path, kind, reason }) => ({ path, state: kind === "missing" ? kind : "bad", reason }));
  }
  // The files of an adapter, or of a filtered download, are complete although they cannot be served.
  const isUnfinished = layout === "local" && await statOrNull(`${path}/${UNFINISHED}`) !== null;
  const isOwnWhole = "remedy" in verdict && ["base", "finish"].includes(verdict.remedy) && !isUnfinished &&
    await readRecord(recordPath(model)) !== null;
  return isOwnWhole ? [] : [{ path: "", state: "missing", reason: verdict.reason }];
}

type Expectation = Pick<RecordedFile, "digest" | "blob"> & { readonly size?: number };

/** Without a record: by Python's metadata, or the name of the blob. */
async function expectation({ path, layout }: ListedModel, file: string): Promise<Expectation> {
  const etag = layout === "local"
    ? (await readMetadata(path, file))?.etag
    : await Deno.readLink(`${path}/${file}`).then(nameOf, () => undefined);
  return { digest: digestOfEtag(etag) };
}

/** The hub's ETags are digests: SHA-256 of LFS files, git's SHA-1 of the rest. */
function digestOfEtag(etag: string | undefined): Digest | null {
  if (etag === undefined) return null;
  if (/^[0-9a-f]{64}$/.test(etag)) return { algorithm: "sha256", hex: etag };
  return /^[0-9a-f]{40}$/.test(etag) ? { algorithm: "git-sha1", hex: etag } : null;
}

async function check(
  hasher: HashPool,
  folder: string,
  path: string,
  expected: Expectation | null,
  onBytes: (bytes: number) => void,
): Promise<FileFinding> {
  const found = (state: FileFinding["state"], reason: string): FileFinding => ({ path, state, reason });
  const info = await statOrNull(`${folder}/${path}`);
  if (!info?.isFile) return found("missing", "it does not exist");
  if (expected === null) return found("unknown", "it is not part of the download");
  if (expected.size !== undefined && info.size !== expected.size) {
    return { ...found("bad", `it has ${info.size} bytes instead of ${expected.size}`), proven: true };
  }
  const digest = expected.digest ?? digestOfEtag(expected.blob);
  if (digest === null) return found("unknown", "its digest is not known");
  try {
    const digests = await hasher.hash(`${folder}/${path}`, [digest], onBytes);
    if (digestMatches(digest, digests)) return found("good", "");
    if (isGuess(digest)) {
      return found("unknown", "its source does not say how it was uploaded, so its ETag proves nothing");
    }
    const { algorithm, hex } = digest;
    return { ...found("bad", `its ${algorithm} is ${digests[algorithm]} instead of ${hex}`), proven: true };
  } catch (error) {
    return found("bad", `it cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

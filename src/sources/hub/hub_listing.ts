import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { log } from "../../log/logger.ts";
import { eachOf } from "../each_of.ts";
import type { CommitSha } from "../manifest.ts";
import { plainEtag } from "../range_body.ts";
import { hubApi, NoRoute } from "./hub_api.ts";
import type { HubRepository } from "./hub_repository.ts";
import { malformed, type TreeEntry } from "./tree_files.ts";

/** Maximum entries of a model's list. */
const MOST_ENTRIES = 100_000;
/** Few at a time, since mirrors ask the hub for each path. */
const PATHS_AT_ONCE = 50;
const HEADS_AT_ONCE = 8;

export interface HubListing {
  readonly commit: CommitSha;
  /** In the form of the hub's tree, unchecked. */
  readonly entries: readonly unknown[];
}

interface Listed {
  readonly repository: HubRepository;
  readonly commit: CommitSha;
  readonly fetch: typeof fetch;
}

/**
 * Resolves a revision to its commit and lists that commit's files, with the hub's library. If a server has no
 * tree, or repeats its first page, the list in the model's information is used instead.
 *
 * @param wanted Paths whose size and digest are needed.
 * @throws {AimError}
 */
export async function hubListing(
  repository: HubRepository,
  revision: string,
  wanted: (path: string) => boolean,
  signal: AbortSignal | undefined,
): Promise<HubListing> {
  const { id, host, endpoint } = repository;
  try {
    const { modelInfo } = await loadLibrary("hugging_face");
    const fetch = hubApi(repository, revision, signal);
    const info = await modelInfo({ name: id, revision, additionalFields: ["sha"], hubUrl: endpoint, fetch });
    const commit = commitOf(info.sha) ?? commitOf(revision);
    if (commit === null) {
      throw new AimError("network", `${host} names no commit for hf://${id}`, {
        hint: "check HF_ENDPOINT, or name a commit with --revision",
      });
    }
    const listed = await tree({ repository, commit, fetch });
    /** Requests the size and digest of each wanted file of which there is only a name. */
    const entries = await eachOf(listed, async (entry) => {
      const path = bareName(entry);
      return path !== null && wanted(path) ? await headEntry(repository, commit, path, signal) : entry;
    }, HEADS_AT_ONCE);
    return { commit, entries };
  } catch (error) {
    if (error instanceof NoRoute) throw error.cause;
    // The library cannot read the answer.
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new AimError("network", `${host} does not answer like a model hub`, {
      hint: "check HF_ENDPOINT and the proxy settings",
      cause: error,
    });
  }
}

function commitOf(text: unknown): CommitSha | null {
  return typeof text === "string" && /^[0-9a-f]{40}$/.test(text) ? text as CommitSha : null;
}

async function tree(listed: Listed): Promise<readonly TreeEntry[]> {
  const { repository: { id, endpoint, host }, commit, fetch } = listed;
  const { listFiles } = await loadLibrary("hugging_face");
  const repo = { type: "model" as const, name: id };
  const entries: TreeEntry[] = [];
  try {
    const files = listFiles({ repo, revision: commit, recursive: true, hubUrl: endpoint, fetch });
    for await (const entry of files) {
      entries.push(entry);
      if (entries.length > MOST_ENTRIES) throw tooMany(host);
    }
    return entries;
  } catch (error) {
    if (!(error instanceof NoRoute)) throw error;
    log.debug("no complete tree, listing from siblings", { host });
    // Entries of the pages that were read stay.
    const known = new Map(entries.map((entry) => [pathOf(entry), entry]));
    const rest = (await siblings(listed)).filter(({ path }) => !known.has(path));
    return [...known.values(), ...await withSizes(rest, listed)];
  }
}

async function siblings({ repository, commit, fetch }: Listed): Promise<readonly TreeEntry[]> {
  const { id, host } = repository;
  const response = await fetch(repository.apiAddress(`revision/${commit}?blobs=true`));
  const info: unknown = await response.json();
  const list = typeof info === "object" && info !== null && "siblings" in info ? info.siblings : null;
  if (!Array.isArray(list)) {
    throw new AimError("network", `${host} lists no files for hf://${id}`, {
      hint: "check HF_ENDPOINT: the server has neither the tree nor the siblings of a model",
    });
  }
  if (list.length > MOST_ENTRIES) throw tooMany(host);
  return list.map((sibling: unknown): TreeEntry => {
    if (typeof sibling !== "object" || sibling === null) {
      throw malformed(`hf://${id}`, sibling, "it is not an object");
    }
    const { rfilename, blobId, size, lfs } = sibling as Readonly<Record<string, unknown>>;
    return { type: "file", path: rfilename, oid: blobId, size, lfs };
  });
}

/** Completes entries that are only names, if the server has the hub's route for single paths. */
async function withSizes(entries: readonly TreeEntry[], listed: Listed): Promise<readonly TreeEntry[]> {
  if (entries.every(({ size }) => size !== undefined)) return entries;
  const { repository, commit, fetch } = listed;
  const found = new Map<unknown, TreeEntry>();
  try {
    for (let at = 0; at < entries.length; at += PATHS_AT_ONCE) {
      const some = entries.slice(at, at + PATHS_AT_ONCE);
      const response = await fetch(repository.apiAddress(`paths-info/${commit}`), {
        method: "POST",
        // In the form of Python's client, which mirrors support.
        body: new URLSearchParams(some.map(({ path }) => ["paths", String(path)])),
      });
      const infos: unknown = await response.json();
      if (!Array.isArray(infos)) return entries;
      for (const info of infos) found.set(pathOf(info), info);
    }
  } catch (error) {
    if (!(error instanceof NoRoute)) throw error;
  }
  return entries.map((entry) => found.get(entry.path) ?? entry);
}

/** The path of an entry that has only a name; `null` for any other. */
function bareName(entry: TreeEntry | null): string | null {
  const { path, size, lfs, oid } = entry ?? {};
  return typeof path === "string" && size === undefined && lfs === undefined && oid === undefined
    ? path
    : null;
}

/** Size and digest by `HEAD`, in the form of an entry of a tree. */
async function headEntry(
  repository: HubRepository,
  commit: CommitSha,
  path: string,
  signal: AbortSignal | undefined,
): Promise<TreeEntry> {
  const request = { method: "HEAD", headers: { "accept-encoding": "identity" }, signal };
  const answer = await repository.send("request", repository.fileAddress(commit, path), request);
  const { response, linkedEtag, linkedSize } = answer;
  const { headers, ok } = response;
  const length = ok && !headers.has("content-encoding") ? headers.get("content-length") : null;
  const size = wholeNumber(linkedSize) ?? wholeNumber(length);
  const file = { type: "file", path };
  if (size === null) return file;
  // The hub's own tag of a large file is the SHA-256; any other proves nothing.
  const tag = plainEtag(headers.get("etag")) ?? "";
  const sha256 = [linkedEtag ?? "", tag].find((one) => /^[0-9a-f]{64}$/.test(one));
  if (sha256 !== undefined) return { ...file, size, lfs: { oid: sha256, size } };
  return { ...file, size, etag: /^[\w-]{1,128}$/.test(tag) ? tag : `size-${size}` };
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function pathOf(entry: unknown): unknown {
  return typeof entry === "object" && entry !== null && "path" in entry ? entry.path : undefined;
}

function tooMany(host: string): AimError {
  return new AimError("network", `${host} lists more than ${MOST_ENTRIES} files`, {
    hint: "check HF_ENDPOINT: no model hub answers like this",
  });
}

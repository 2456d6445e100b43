import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { log } from "../../log/logger.ts";
import { eachOf } from "../each_of.ts";
import type { CommitSha } from "../manifest.ts";
import { plainEtag } from "../range_body.ts";
import { hubApi, NoRoute } from "./hub_api.ts";
import type { Hub } from "./hub.ts";
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

export interface HubListingQuestion {
  readonly hub: Hub;
  /** `org/model`. */
  readonly id: string;
  readonly revision: string;
  /** Paths whose size and digest are needed. */
  readonly wanted: (path: string) => boolean;
  /** The meaning of a refusal. */
  readonly refused: (response: Response) => Promise<Error>;
  readonly signal: AbortSignal | undefined;
}

/** A model at a commit. */
interface Listed extends HubListingQuestion {
  readonly commit: CommitSha;
  readonly fetch: typeof fetch;
}

/**
 * Resolves a revision to its commit and lists that commit's files, with the hub's library. If a server has no
 * tree, or repeats its first page, the list in the model's information is used instead.
 *
 * @throws {AimError}
 */
export async function hubListing(question: HubListingQuestion): Promise<HubListing> {
  const { hub, id, revision, refused, signal } = question;
  try {
    const { modelInfo } = await loadLibrary("hugging_face");
    const fetch = hubApi(hub, refused, signal);
    const info = await modelInfo({
      name: id,
      revision,
      additionalFields: ["sha"],
      hubUrl: hub.endpoint,
      fetch,
    });
    const commit = commitOf(info.sha) ?? commitOf(revision);
    if (commit === null) {
      throw new AimError("network", `${hub.host} names no commit for hf://${id}`, {
        hint: "check HF_ENDPOINT, or name a commit with --revision",
      });
    }
    const listed = { ...question, commit, fetch };
    const entries = await completed(await tree(listed), listed);
    return { commit, entries };
  } catch (error) {
    if (error instanceof NoRoute) throw error.cause;
    // The library cannot read the answer.
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new AimError("network", `${hub.host} does not answer like a model hub`, {
      hint: "check HF_ENDPOINT and the proxy settings",
      cause: error,
    });
  }
}

function commitOf(text: unknown): CommitSha | null {
  return typeof text === "string" && /^[0-9a-f]{40}$/.test(text) ? text as CommitSha : null;
}

async function tree(listed: Listed): Promise<readonly TreeEntry[]> {
  const { hub, id, commit, fetch } = listed;
  const { listFiles } = await loadLibrary("hugging_face");
  const repo = { type: "model" as const, name: id };
  const entries: TreeEntry[] = [];
  try {
    const files = listFiles({ repo, revision: commit, recursive: true, hubUrl: hub.endpoint, fetch });
    for await (const entry of files) {
      entries.push(entry);
      if (entries.length > MOST_ENTRIES) throw tooMany(hub);
    }
    return entries;
  } catch (error) {
    if (!(error instanceof NoRoute)) throw error;
    log.debug("no complete tree, listing from siblings", { host: hub.host });
    // Entries of the pages that were read stay.
    const known = new Map(entries.map((entry) => [pathOf(entry), entry]));
    const rest = (await siblings(listed)).filter(({ path }) => !known.has(path));
    return [...known.values(), ...await withSizes(rest, listed)];
  }
}

async function siblings({ hub, id, commit, fetch }: Listed): Promise<readonly TreeEntry[]> {
  const info: unknown = await (await fetch(`${hub.endpoint}/api/models/${id}/revision/${commit}?blobs=true`))
    .json();
  const list = typeof info === "object" && info !== null && "siblings" in info ? info.siblings : null;
  if (!Array.isArray(list)) {
    throw new AimError("network", `${hub.host} lists no files for hf://${id}`, {
      hint: "check HF_ENDPOINT: the server has neither the tree nor the siblings of a model",
    });
  }
  if (list.length > MOST_ENTRIES) throw tooMany(hub);
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
  const { hub, id, commit, fetch } = listed;
  const found = new Map<unknown, TreeEntry>();
  try {
    for (let at = 0; at < entries.length; at += PATHS_AT_ONCE) {
      const some = entries.slice(at, at + PATHS_AT_ONCE);
      const response = await fetch(`${hub.endpoint}/api/models/${id}/paths-info/${commit}`, {
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

/** Requests the size and digest of each wanted file of which there is only a name. */
async function completed(entries: readonly TreeEntry[], listed: Listed): Promise<readonly unknown[]> {
  return await eachOf(entries, async (entry: TreeEntry | null) => {
    const { path, size, lfs, oid } = entry ?? {};
    const isNamed = typeof path === "string" && size === undefined && lfs === undefined && oid === undefined;
    return isNamed && listed.wanted(path) ? { type: "file", path, ...await head(path, listed) } : entry;
  }, HEADS_AT_ONCE);
}

/** Size and digest by `HEAD`, in the form of an entry of a tree. */
async function head(path: string, { hub, id, commit, signal }: Listed): Promise<TreeEntry> {
  const request = { method: "HEAD", headers: { "accept-encoding": "identity" }, signal };
  const answer = await hub.send("request", hub.fileAddress(id, commit, path), request);
  const { response, linkedEtag, linkedSize } = answer;
  const { headers, ok } = response;
  const length = ok && !headers.has("content-encoding") ? headers.get("content-length") : null;
  const size = wholeNumber(linkedSize) ?? wholeNumber(length);
  if (size === null) return {};
  // The hub's own tag of a large file is the SHA-256; any other proves nothing.
  const tag = plainEtag(headers.get("etag")) ?? "";
  const sha256 = [linkedEtag ?? "", tag].find((one) => /^[0-9a-f]{64}$/.test(one));
  if (sha256 !== undefined) return { size, lfs: { oid: sha256, size } };
  return { size, etag: /^[\w-]{1,128}$/.test(tag) ? tag : `size-${size}` };
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function pathOf(entry: unknown): unknown {
  return typeof entry === "object" && entry !== null && "path" in entry ? entry.path : undefined;
}

function tooMany({ host }: Hub): AimError {
  return new AimError("network", `${host} lists more than ${MOST_ENTRIES} files`, {
    hint: "check HF_ENDPOINT: no model hub answers like this",
  });
}

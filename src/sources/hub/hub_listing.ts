import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { log } from "../../log/logger.ts";
import { fieldsOf } from "../../values/json.ts";
import { eachOf } from "../each_of.ts";
import type { CommitSha } from "../manifest.ts";
import { plainEtag } from "../range_body.ts";
import { hubApi, NoRoute } from "./hub_api.ts";
import type { HubRepository } from "./hub_repository.ts";

/** Few at a time, since mirrors ask the hub for each path. */
const HEADS_AT_ONCE = 8;

/**
 * Resolves a revision to its commit and lists that commit's files, with the hub's library.
 *
 * @param wanted Paths whose size and digest are needed.
 * @returns Entries in the form of the hub's tree, unchecked.
 * @throws {AimError}
 */
export async function hubListing(
  repository: HubRepository,
  revision: string,
  wanted: (path: string) => boolean,
  signal: AbortSignal | undefined,
): Promise<{ readonly commit: CommitSha; readonly entries: readonly unknown[] }> {
  const { id: name, host, endpoint: hubUrl } = repository;
  const fetch = hubApi(repository, revision, signal);
  try {
    const { modelInfo } = await loadLibrary("hugging_face");
    const { sha } = await modelInfo({ name, revision, additionalFields: ["sha"], hubUrl, fetch });
    const commit = [sha, revision].find(isCommit);
    if (commit === undefined) {
      throw new AimError("network", `${host} names no commit for hf://${name}`, {
        hint: "check HF_ENDPOINT, or name a commit with --revision",
      });
    }
    // The size and digest of a wanted file may be missing.
    const entries = await eachOf(await tree(repository, commit, fetch), async (entry) => {
      const { path, size, lfs, oid } = fieldsOf(entry);
      const isName = typeof path === "string" && size === undefined && lfs === undefined && oid === undefined;
      return isName && wanted(path) ? await headEntry(repository, commit, path, signal) : entry;
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

function isCommit(text: unknown): text is CommitSha {
  return typeof text === "string" && /^[0-9a-f]{40}$/.test(text);
}

/** If a server has no tree, or repeats its first page, the list in the model's information is used instead. */
async function tree(
  repository: HubRepository,
  commit: CommitSha,
  fetch: typeof globalThis.fetch,
): Promise<readonly unknown[]> {
  const { id: name, endpoint: hubUrl, host } = repository;
  const { listFiles } = await loadLibrary("hugging_face");
  const entries: unknown[] = [];
  try {
    const repo = { type: "model", name } as const;
    const files = listFiles({ repo, revision: commit, recursive: true, hubUrl, fetch });
    for await (const entry of files) entries.push(entry);
    return entries;
  } catch (error) {
    if (!(error instanceof NoRoute)) throw error;
    log.debug("no complete tree, listing from siblings", { host });
    // Entries of the pages that were read stay.
    const known = new Map(entries.map((entry) => [fieldsOf(entry).path, entry]));
    const rest = (await siblings(repository, commit, fetch)).filter(({ path }) => !known.has(path));
    return [...known.values(), ...rest];
  }
}

async function siblings(
  repository: HubRepository,
  commit: CommitSha,
  fetch: typeof globalThis.fetch,
): Promise<readonly { readonly path: unknown }[]> {
  const response = await fetch(repository.apiAddress(`revision/${commit}?blobs=true`));
  const list = fieldsOf(await response.json()).siblings;
  if (!Array.isArray(list)) {
    throw new AimError("network", `${repository.host} lists no files for hf://${repository.id}`, {
      hint: "check HF_ENDPOINT: the server has neither the tree nor the siblings of a model",
    });
  }
  return list.map((sibling: unknown) => {
    const { rfilename, blobId, size, lfs } = fieldsOf(sibling);
    return { type: "file", path: rfilename, oid: blobId, size, lfs };
  });
}

/** Size and digest by `HEAD`, in the form of an entry of a tree. */
async function headEntry(
  repository: HubRepository,
  commit: CommitSha,
  path: string,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const request = { method: "HEAD", headers: { "accept-encoding": "identity" }, signal };
  const answer = await repository.send("request", repository.fileAddress(commit, path), request);
  const { response: { headers, ok }, linkedEtag, linkedSize } = answer;
  const own = ok && !headers.has("content-encoding") ? headers.get("content-length") : null;
  const length = linkedSize ?? own ?? "";
  const file = { type: "file", path };
  if (!/^\d{1,15}$/.test(length)) return file;
  const size = Number(length);
  // The hub's own tag of a large file is the SHA-256; any other proves nothing.
  const tag = plainEtag(headers.get("etag")) ?? "";
  const sha256 = [linkedEtag ?? "", tag].find((one) => /^[0-9a-f]{64}$/.test(one));
  if (sha256 !== undefined) return { ...file, size, lfs: { oid: sha256, size } };
  return { ...file, size, etag: /^[\w-]{1,128}$/.test(tag) ? tag : `size-${size}` };
}

import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { fieldsOf } from "../../values/json.ts";
import { eachOf } from "../each_of.ts";
import type { CommitSha } from "../manifest.ts";
import { plainEtag } from "../range_body.ts";
import { hubApi } from "./hub_api.ts";
import type { HubRepository } from "./hub_repository.ts";

/** Few at a time, since mirrors ask the hub for each path. */
const HEADS_AT_ONCE = 8;

/**
 * Resolves a revision to its commit and lists that commit's files.
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
  const ask = hubApi(repository, revision, signal);
  const info = await ask(repository.apiAddress(`revision/${encodeURIComponent(revision)}?expand=sha`));
  if ("missing" in info) throw info.missing;
  const commit = [fieldsOf(info.value).sha, revision].find(isCommit);
  if (commit === undefined) {
    throw new AimError("network", `${repository.host} names no commit for hf://${repository.id}`, {
      hint: "check HF_ENDPOINT, or name a commit with --revision",
    });
  }
  // The size and digest of a wanted file may be missing.
  const entries = await eachOf(await tree(repository, commit, ask), async (entry) => {
    const { path, size, lfs, oid } = fieldsOf(entry);
    const isName = typeof path === "string" && size === undefined && lfs === undefined && oid === undefined;
    return isName && wanted(path) ? await headEntry(repository, commit, path, signal) : entry;
  }, HEADS_AT_ONCE);
  return { commit, entries };
}

function isCommit(text: unknown): text is CommitSha {
  return typeof text === "string" && /^[0-9a-f]{40}$/.test(text);
}

/** If a server has no tree, or repeats its first page, the list in the model's information is used instead. */
async function tree(
  repository: HubRepository,
  commit: CommitSha,
  ask: ReturnType<typeof hubApi>,
): Promise<readonly unknown[]> {
  const entries: unknown[] = [];
  let next: string | null = repository.apiAddress(`tree/${commit}?recursive=true&expand=false`);
  while (next !== null) {
    const page = await ask(next);
    if ("missing" in page) {
      log.debug("no complete tree, listing from siblings", { host: repository.host });
      // Entries of the pages that were read stay.
      const known = new Map(entries.map((entry) => [fieldsOf(entry).path, entry]));
      const rest = await siblings(repository, commit, ask);
      return [...known.values(), ...rest.filter(({ path }) => !known.has(path))];
    }
    entries.push(...listIn(page.value, repository));
    next = page.next;
  }
  return entries;
}

async function siblings(
  repository: HubRepository,
  commit: CommitSha,
  ask: ReturnType<typeof hubApi>,
): Promise<readonly { readonly path: unknown }[]> {
  const answer = await ask(repository.apiAddress(`revision/${commit}?blobs=true`));
  if ("missing" in answer) throw answer.missing;
  return listIn(fieldsOf(answer.value).siblings, repository).map((sibling) => {
    const { rfilename, blobId, size, lfs } = fieldsOf(sibling);
    return { type: "file", path: rfilename, oid: blobId, size, lfs };
  });
}

function listIn(value: unknown, { host, id }: HubRepository): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new AimError("network", `${host} lists no files for hf://${id}`, {
    hint: "check HF_ENDPOINT: the server has neither the tree nor the siblings of a model",
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

import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { log } from "../../log/logger.ts";
import { fieldsOf } from "../../values/json.ts";
import { eachOf } from "../each_of.ts";
import type { CommitSha, ManifestFile } from "../manifest.ts";
import { plainEtag } from "../range_body.ts";
import { type ListedFile, sortedFiles } from "../sorted_files.ts";
import { hubApi, NoRoute } from "./hub_api.ts";
import type { HubRepository } from "./hub_repository.ts";

/** Few at a time, since mirrors forward each of these requests to the hub. */
const HEADS_AT_ONCE = 8;

/**
 * Resolves a revision to its commit and lists that commit's files. A file in LFS (or xet) is proven by the
 * SHA-256 in its pointer, any other by git's id; that id is also the ETag that `resolve` returns.
 *
 * @throws {AimError} `integrity` for an unsafe or repeated path; `network` for an invalid entry; a refusal.
 */
export async function hubListing(
  repository: HubRepository,
  revision: string,
  wanted: (path: string) => boolean,
  signal: AbortSignal | undefined,
): Promise<{ readonly commit: CommitSha; readonly files: readonly ManifestFile[] }> {
  const { id: name, host, endpoint: hubUrl } = repository;
  const source = `hf://${name}`;
  const fetch = hubApi(repository, revision, signal);
  try {
    const { modelInfo } = await loadLibrary("hugging_face");
    const { sha } = await modelInfo({ name, revision, additionalFields: ["sha"], hubUrl, fetch });
    const commit = [sha, revision].find(isCommit);
    if (commit === undefined) {
      throw new AimError("network", `${host} returned no commit for ${source}`, {
        hint: "check HF_ENDPOINT, or name a commit with --revision",
      });
    }
    const files = await eachOf(await tree(repository, commit, fetch), async (entry) => {
      const { type, path, size, lfs, oid } = fieldsOf(entry);
      if (type === "directory") return null;
      if (typeof path !== "string") throw malformed(source, entry, "it has no path");
      if (!wanted(path)) return null;
      // Some servers list only names.
      const isName = size === undefined && lfs === undefined && oid === undefined;
      if (type !== "file" && !isName) {
        log.warn(`${source}: ${path} is not a regular file and is skipped`);
        return null;
      }
      return listedFile(isName ? await headEntry(repository, commit, path, signal) : entry, path, source);
    }, HEADS_AT_ONCE);
    return { commit, files: sortedFiles(files.filter((file) => file !== null), source) };
  } catch (error) {
    if (error instanceof NoRoute) throw error.cause;
    // The library cannot read the response.
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new AimError("network", `${host} does not respond like a model hub`, {
      hint: "check HF_ENDPOINT and the proxy settings",
      cause: error,
    });
  }
}

function isCommit(text: unknown): text is CommitSha {
  return typeof text === "string" && /^[0-9a-f]{40}$/.test(text);
}

/** Lists the tree. If a server has none, or repeats its first page, uses the model's `siblings` instead. */
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
    // Entries of the pages that were read are kept.
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
      hint: "check HF_ENDPOINT: the server returns neither the tree nor the siblings of a model",
    });
  }
  return list.map((sibling: unknown) => {
    const { rfilename, blobId, size, lfs } = fieldsOf(sibling);
    return { type: "file", path: rfilename, oid: blobId, size, lfs };
  });
}

/** A tree entry with the size and digest from `HEAD`. With `etag` instead of `oid`, it has no digest. */
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
  // The hub's ETag of a large file is its SHA-256; other ETags prove nothing.
  const tag = plainEtag(headers.get("etag")) ?? "";
  const sha256 = [linkedEtag ?? "", tag].find((one) => /^[0-9a-f]{64}$/.test(one));
  if (sha256 !== undefined) return { ...file, size, lfs: { oid: sha256, size } };
  return { ...file, size, etag: /^[\w-]{1,128}$/.test(tag) ? tag : `size-${size}` };
}

function listedFile(given: unknown, path: string, source: string): ListedFile {
  const entry = fieldsOf(given);
  const isLarge = (entry.lfs ?? null) !== null;
  const { oid, sha256, size = entry.size } = isLarge ? fieldsOf(entry.lfs) : entry;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(source, entry, "its size is not a number of bytes");
  }
  if (!isLarge && oid === undefined && typeof entry.etag === "string") {
    return { path, size, digest: null, etag: entry.etag };
  }
  const id = oid ?? sha256;
  const etag = typeof id === "string" ? id.replace(/^sha256:/, "").toLowerCase() : "";
  const plausible = isLarge ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/;
  if (!plausible.test(etag)) throw malformed(source, entry, "its oid is not a digest");
  return {
    path,
    size,
    digest: { algorithm: isLarge ? "sha256" : "git-sha1", hex: etag },
    etag,
    ...(typeof entry.xetHash === "string" && { xetHash: entry.xetHash }),
  };
}

/** The error for an invalid entry of a list. */
function malformed(source: string, entry: unknown, fault: string): AimError {
  const text = JSON.stringify(entry) ?? String(entry);
  const shown = text.length > 160 ? `${text.slice(0, 160)}...` : text;
  return new AimError("network", `the hub's list of ${source} has an invalid entry ${shown}: ${fault}`, {
    hint: "check HF_ENDPOINT, or leave the file out with --exclude",
  });
}

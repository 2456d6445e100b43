import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { log } from "../../log/logger.ts";
import type { CommitSha } from "../manifest.ts";
import { hubApi, NoRoute } from "./hub_api.ts";
import { malformed } from "./tree_files.ts";

/** Maximum entries of a model's list. */
const MOST_ENTRIES = 100_000;

export interface HubListing {
  readonly commit: CommitSha;
  /** In the form of the hub's tree, unchecked. */
  readonly entries: readonly unknown[];
}

export interface HubListingQuestion {
  readonly endpoint: string;
  /** `org/model`. */
  readonly id: string;
  readonly revision: string;
  /** Follows redirects. */
  readonly send: typeof fetch;
  /** The meaning of a refusal. */
  readonly refused: (response: Response) => Promise<Error>;
}

/**
 * Resolves a revision to its commit and lists that commit's files, with the hub's library. If a server has no
 * tree, or repeats its first page, the list in the model's information is used instead.
 *
 * @throws {AimError}
 */
export async function hubListing(question: HubListingQuestion): Promise<HubListing> {
  const { endpoint, id, revision } = question;
  const fetchApi = hubApi(endpoint, question.send, question.refused);
  try {
    const { modelInfo } = await loadLibrary("hugging_face");
    const common = { hubUrl: endpoint, fetch: fetchApi };
    const info = await modelInfo({ name: id, revision, additionalFields: ["sha"], ...common });
    const commit = commitOf(info.sha) ?? commitOf(revision);
    if (commit === null) throw noCommit(question);
    return { commit, entries: await tree(question, commit, fetchApi) };
  } catch (error) {
    if (error instanceof NoRoute) throw error.meaning;
    // The library cannot read the answer.
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new AimError("network", `${new URL(endpoint).host} does not answer like a model hub`, {
      hint: "check HF_ENDPOINT and the proxy settings",
      cause: error,
    });
  }
}

/** A file in a model's information, in the form of the hub's tree. */
interface Sibling {
  readonly type: "file";
  readonly path: unknown;
  readonly oid: unknown;
  readonly size: unknown;
  readonly lfs?: unknown;
}

async function tree(
  question: HubListingQuestion,
  commit: CommitSha,
  fetchApi: typeof fetch,
): Promise<readonly unknown[]> {
  const { endpoint, id } = question;
  const { listFiles } = await loadLibrary("hugging_face");
  const entries: unknown[] = [];
  try {
    const repo = { type: "model" as const, name: id };
    for await (
      const entry of listFiles({ repo, revision: commit, recursive: true, hubUrl: endpoint, fetch: fetchApi })
    ) {
      entries.push(entry);
      if (entries.length > MOST_ENTRIES) throw tooMany(endpoint);
    }
    return entries;
  } catch (error) {
    if (!(error instanceof NoRoute)) throw error;
    log.debug("no complete tree, listing from siblings", { host: new URL(endpoint).host });
    // Entries of the pages that were read stay.
    const listed = new Map(entries.map((entry) => [pathOf(entry), entry]));
    const rest = (await siblings(question, commit, fetchApi)).filter(({ path }) => !listed.has(path));
    return [...listed.values(), ...await withSizes(rest, question, commit, fetchApi)];
  }
}

async function siblings(
  { endpoint, id }: HubListingQuestion,
  commit: CommitSha,
  fetchApi: typeof fetch,
): Promise<readonly Sibling[]> {
  const url = `${endpoint}/api/models/${id}/revision/${commit}?blobs=true`;
  const info: unknown = await (await fetchApi(url)).json();
  const list = typeof info === "object" && info !== null && "siblings" in info ? info.siblings : null;
  if (!Array.isArray(list)) {
    throw new AimError("network", `${new URL(endpoint).host} lists no files for hf://${id}`, {
      hint: "check HF_ENDPOINT: the server has neither the tree nor the siblings of a model",
    });
  }
  if (list.length > MOST_ENTRIES) throw tooMany(endpoint);
  return list.map((sibling: unknown): Sibling => {
    if (typeof sibling !== "object" || sibling === null) {
      throw malformed(`hf://${id}`, sibling, "it is not an object");
    }
    const { rfilename, blobId, size, lfs } = sibling as Readonly<Record<string, unknown>>;
    return { type: "file", path: rfilename, oid: blobId, size, ...(lfs == null ? {} : { lfs }) };
  });
}

/** Few at a time, since mirrors ask the hub for each path. */
const PATHS_AT_ONCE = 50;

/** Completes entries that are only names, if the server has the hub's route for single paths. */
async function withSizes(
  entries: readonly Sibling[],
  { endpoint, id }: HubListingQuestion,
  commit: CommitSha,
  fetchApi: typeof fetch,
): Promise<readonly unknown[]> {
  if (entries.every(({ size }) => size !== undefined)) return entries;
  const found = new Map<unknown, unknown>();
  try {
    for (let at = 0; at < entries.length; at += PATHS_AT_ONCE) {
      const response = await fetchApi(`${endpoint}/api/models/${id}/paths-info/${commit}`, {
        method: "POST",
        // In the form of Python's client, which mirrors support.
        body: new URLSearchParams(
          entries.slice(at, at + PATHS_AT_ONCE).map(({ path }) => ["paths", String(path)]),
        ),
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

function pathOf(entry: unknown): unknown {
  return typeof entry === "object" && entry !== null && "path" in entry ? entry.path : undefined;
}

function commitOf(text: unknown): CommitSha | null {
  return typeof text === "string" && /^[0-9a-f]{40}$/.test(text) ? text as CommitSha : null;
}

function noCommit({ endpoint, id }: HubListingQuestion): AimError {
  return new AimError("network", `${new URL(endpoint).host} names no commit for hf://${id}`, {
    hint: "check HF_ENDPOINT, or name a commit with --revision",
  });
}

function tooMany(endpoint: string): AimError {
  return new AimError("network", `${new URL(endpoint).host} lists more than ${MOST_ENTRIES} files`, {
    hint: "check HF_ENDPOINT: no model hub answers like this",
  });
}

import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { eachOf } from "../each_of.ts";
import { isBookkeepingPath } from "../bookkeeping_path.ts";
import { pathFilter } from "../filter_paths.ts";
import type { ByteRange, CommitSha, Manifest, ManifestFile } from "../manifest.ts";
import { assertRevision, type ModelRef, uriOf } from "../model_ref.ts";
import { filesOfQuantisation, ggufFiles, withoutQuantisation } from "../quantisation.ts";
import { emptyBody, plainEtag, rangeBody, rangeHeader } from "../range_body.ts";
import {
  type ManifestOptions,
  type RangeBody,
  type Source,
  SourceChangedError,
  TransientError,
} from "../source.ts";
import type { SourceOptions } from "../source_options.ts";
import { askedWait } from "../transport/asked_wait.ts";
import { passingFault } from "../transport/passing_fault.ts";
import { readStart } from "../transport/read_bounded.ts";
import { discard, openTransport, type Transport } from "../transport/transport.ts";
import { hubError } from "./hub_error.ts";
import { followRedirects } from "./follow_redirects.ts";
import { type HubAccess, hubFetch, hubHeaders } from "./hub_fetch.ts";
import { headFile } from "./head_file.ts";
import { hubListing } from "./hub_listing.ts";
import { treeFiles } from "./tree_files.ts";
import { readXet } from "./xet.ts";

/** Ranges and digests are of the bytes without an encoding. */
const PLAIN = { "accept-encoding": "identity" };

/** A model on the Hugging Face Hub, or on another server with its protocol at `HF_ENDPOINT`. */
export class HubSource implements Source {
  readonly uri: string;
  readonly #id: string;
  readonly #revision: string | null;
  readonly #quantisation: string | undefined;
  readonly #options: SourceOptions;
  readonly #transport: Transport;
  readonly #endpoint: string;
  readonly #origin: string | undefined;
  #access: Promise<HubAccess> | undefined;
  #commit: CommitSha | null = null;
  /** Signed addresses, outside the hub, of files that were read before; they expire. */
  readonly #located = new Map<string, URL>();
  #xetWorks = true;

  constructor(ref: Extract<ModelRef, { kind: "hub" }>, options: SourceOptions) {
    this.uri = uriOf(ref);
    this.#id = ref.id;
    this.#revision = ref.revision;
    this.#quantisation = ref.quantisation;
    this.#options = options;
    this.#endpoint = options.hfEndpoint.replace(/\/+$/, "");
    this.#origin = URL.parse(this.#endpoint)?.origin;
    this.#transport = openTransport({ ...options, connections: options.jobs });
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    const revision = options.revision ?? this.#revision ?? "main";
    assertRevision(revision);
    const access = await this.#accessed();
    const { commit, entries } = await hubListing({
      endpoint: this.#endpoint,
      id: this.#id,
      revision,
      send: hubFetch(access, this.#transport.request, options.signal),
      refused: (response) => this.#refusedQuestion(response, access, revision),
    });
    if (commit !== this.#commit) this.#located.clear();
    this.#commit = commit;
    const wanted = pathFilter(options.include ?? [], options.exclude ?? []);
    const chosen = (path: string) => !isBookkeepingPath(path) && wanted(path);
    const complete = await this.#completed(entries, chosen, commit, options.signal);
    const listed = treeFiles(complete, chosen, this.uri);
    const files = this.#quantised(listed);
    const filtered = files.length < listed.length;
    return { source: this.uri, revision, commit, files, filtered, unmatched: wanted.unmatched() };
  }

  async read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody> {
    const commit = this.#commit;
    if (commit === null) throw new Error(`${this.uri}: read before its manifest`);
    if (file.size === 0) return { range: { start: 0, end: 0 }, body: emptyBody() };
    const access = await this.#accessed();
    if (this.#useXet(file)) {
      try {
        return await this.#readXet(access, commit, file, range, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#xetFailed(error);
        if (!this.#options.protocols.some((protocol) => protocol !== "XET")) throw error;
      }
    }
    return await this.#readHttp(access, commit, file, range, signal);
  }

  /** @throws {AimError} `not-found` if the repository does not have the quantisation. */
  #quantised(files: readonly ManifestFile[]): readonly ManifestFile[] {
    const quantisation = this.#quantisation;
    if (quantisation === undefined) return files;
    const paths = files.map(({ path }) => path);
    if (ggufFiles(paths, quantisation).length === 0) {
      throw new AimError("not-found", `${this.uri} has ${withoutQuantisation(quantisation, paths)}`, {
        hint: "name one of them after the colon; a branch of that name goes after @",
      });
    }
    const own = filesOfQuantisation(paths, quantisation);
    return files.filter(({ path }) => own.has(path));
  }

  close(): void {
    this.#transport.close();
  }

  #accessed(): Promise<HubAccess> {
    const [endpoint, origin] = [this.#endpoint, this.#origin];
    return this.#access ??= this.#options.hfToken().then((token) => ({ endpoint, origin, token }));
  }

  /** Asks for the size of each wanted file that the server lists only by name. */
  async #completed(
    entries: readonly unknown[],
    wanted: (path: string) => boolean,
    commit: CommitSha,
    signal: AbortSignal | undefined,
  ): Promise<readonly unknown[]> {
    const access = await this.#accessed();
    return await eachOf(entries, async (entry) => {
      const path = pathWithoutSize(entry);
      if (path === null || !wanted(path)) return entry;
      const address = resolveUrl(this.#endpoint, this.#id, commit, path);
      return { type: "file", path, ...await headFile(address, access, this.#transport, signal) };
    }, HEADS_AT_ONCE);
  }

  async #refusedQuestion(response: Response, access: HubAccess, revision: string): Promise<Error> {
    const error = await this.#refused(response, access, revision, null);
    return error instanceof TransientError
      ? new AimError("network", error.message, { hint: "run again later", cause: error })
      : error;
  }

  async #refused(
    response: Response,
    access: HubAccess,
    revision: string,
    path: string | null,
  ): Promise<Error> {
    const { status, headers } = response;
    const question = {
      endpoint: access.endpoint,
      id: this.#id,
      revision,
      path,
      token: access.token !== null,
    };
    return hubError({ status, headers, message: await spoken(response) }, question);
  }

  /** XET if it is the first protocol, and has not failed unless it is the only one. */
  #useXet(file: ManifestFile): boolean {
    const { protocols } = this.#options;
    return file.xetHash !== undefined && protocols[0] === "XET" && (this.#xetWorks || protocols.length === 1);
  }

  #xetFailed(error: unknown): void {
    if (this.#xetWorks) {
      const next = this.#options.protocols[1];
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(`${this.uri}: reading by XET failed${next === undefined ? "" : `, continuing with ${next}`}`, {
        reason,
      });
      if (next !== undefined) this.#options.onProtocol?.(next);
    }
    this.#xetWorks = false;
  }

  #readXet(
    access: HubAccess,
    commit: CommitSha,
    file: ManifestFile,
    range: ByteRange | null,
    signal: AbortSignal,
  ): Promise<RangeBody> {
    return readXet(file, range, {
      refreshUrl: `${this.#endpoint}/api/models/${this.#id}/xet-read-token/${commit}`,
      fetch: hubFetch(access, this.#transport.fetch, signal),
      onBroken: (error) => signal.aborted ? undefined : this.#xetFailed(error),
    });
  }

  async #readHttp(
    access: HubAccess,
    commit: CommitSha,
    file: ManifestFile,
    range: ByteRange | null,
    signal: AbortSignal,
  ): Promise<RangeBody> {
    const located = this.#located.get(file.path);
    if (located !== undefined) {
      const response = await this.#ask(located, access, range, signal);
      if (!isExpired(response.status)) return await this.#data(response, located, access, file, range);
      this.#located.delete(file.path);
      await discard(response);
    }
    const address = resolveUrl(this.#endpoint, this.#id, commit, file.path);
    const { response, url } = await followRedirects(address, this.#endpoint, async (url) => {
      const response = await this.#ask(url, access, range, signal);
      this.#checkLinked(response, url, file);
      return response;
    });
    if (response.ok && !this.#isOwn(url)) this.#located.set(file.path, url);
    return await this.#data(response, url, access, file, range);
  }

  #ask(url: URL, access: HubAccess, range: ByteRange | null, signal: AbortSignal): Promise<Response> {
    const headers = { ...hubHeaders(url, access), ...rangeHeader(range), ...PLAIN };
    return this.#transport.fetch(url, { headers, signal });
  }

  #isOwn(url: URL): boolean {
    return url.origin === this.#origin;
  }

  /**
   * The hub sends the SHA-256 of a large file with its redirect: if it differs from the manifest's, the file has
   * changed. Other headers are not checked, since proxies change them; size and digest of the bytes decide.
   */
  #checkLinked(response: Response, url: URL, file: ManifestFile): void {
    if (!this.#isOwn(url) || response.status >= 400 || file.digest?.algorithm !== "sha256") return;
    const etag = plainEtag(response.headers.get("x-linked-etag"));
    if (etag === null || !/^[0-9a-f]{64}$/.test(etag) || etag === file.etag) return;
    response.body?.cancel().catch(() => {});
    throw new SourceChangedError(file.path, `${file.path} has ETag ${etag}, it was ${file.etag}`);
  }

  async #data(
    response: Response,
    url: URL,
    access: HubAccess,
    file: ManifestFile,
    range: ByteRange | null,
  ): Promise<RangeBody> {
    if (response.ok) return await rangeBody(response, file, range, null);
    if (this.#isOwn(url)) throw await this.#refused(response, access, this.#commit ?? "", file.path);
    this.#located.delete(file.path);
    if (response.headers.has("x-error-code")) throw await this.#refusedElsewhere(response, url, file);
    await discard(response);
    if (response.status === 416) {
      throw new SourceChangedError(file.path, `${file.path} is shorter than it was`);
    }
    throw passingFault(response.status, url.host, file.path, askedWait(response.headers));
  }

  /** A mirror redirected to another hub, which gets no token. */
  async #refusedElsewhere(response: Response, url: URL, file: ManifestFile): Promise<Error> {
    const access: HubAccess = { endpoint: url.origin, origin: undefined, token: null };
    const error = await this.#refused(response, access, this.#commit ?? "", file.path);
    if (!(error instanceof AimError)) return error;
    const { host } = new URL(this.#endpoint);
    const message = `${host} redirects to ${url.host}, which gets no token: ${error.message}`;
    return new AimError(error.kind, message, {
      hint: `set HF_ENDPOINT=${url.origin} to ask it directly`,
      cause: error,
    });
  }
}

const HEADS_AT_ONCE = 8;

/** The path of an entry that has only a name; `null` for any other. */
function pathWithoutSize(entry: unknown): string | null {
  if (typeof entry !== "object" || entry === null) return null;
  const { path, size, lfs, oid } = entry as Readonly<Record<string, unknown>>;
  const named = typeof path === "string" && size === undefined && lfs === undefined && oid === undefined;
  return named ? path : null;
}

/** True for statuses with which stores answer at signed addresses that have expired. */
function isExpired(status: number): boolean {
  return [400, 401, 403, 404, 410].includes(status);
}

function resolveUrl(endpoint: string, id: string, commit: CommitSha, path: string): URL {
  return new URL(`${endpoint}/${id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`);
}

/** `error` or `message` of a JSON answer. */
async function spoken(response: Response): Promise<string | null> {
  try {
    const body: unknown = JSON.parse(await readStart(response));
    if (typeof body !== "object" || body === null) return null;
    const { error, message } = body as { error?: unknown; message?: unknown };
    return typeof error === "string" ? error : typeof message === "string" ? message : null;
  } catch {
    return null;
  }
}

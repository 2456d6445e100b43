import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { log } from "../../log/logger.ts";
import { isBookkeepingPath } from "../bookkeeping_path.ts";
import { pathFilter } from "../filter_paths.ts";
import type { ByteRange, CommitSha, Manifest, ManifestFile } from "../manifest.ts";
import { assertRevision, type ModelRef, uriOf } from "../model_ref.ts";
import { emptyBody, plainEtag, rangeBody, rangeHeader } from "../range_body.ts";
import {
  type ManifestOptions,
  type RangeBody,
  type Source,
  SourceChangedError,
  TransientError,
} from "../source.ts";
import type { SourceOptions } from "../source_options.ts";
import { parseRetryAfter } from "../transport/retry_after.ts";
import { readStart } from "../transport/read_bounded.ts";
import { discard, openTransport, type Transport } from "../transport/transport.ts";
import { hubError, type HubQuestion } from "./hub_error.ts";
import { type HubAccess, hubFetch, hubHeaders, redirectOf } from "./hub_fetch.ts";
import { treeFiles } from "./tree_files.ts";
import { readXet } from "./xet.ts";

const REDIRECTS = 5;
/** Bytes as they are: ranges and digests are of these. */
const PLAIN = { "accept-encoding": "identity" };

/** A model on the Hugging Face Hub, or on what speaks its protocol at `HF_ENDPOINT`. */
export class HubSource implements Source {
  readonly uri: string;
  readonly #id: string;
  readonly #revision: string | null;
  readonly #options: SourceOptions;
  readonly #transport: Transport;
  readonly #endpoint: string;
  readonly #origin: string | undefined;
  #access: Promise<HubAccess> | undefined;
  #commit: CommitSha | null = null;
  /** Where a file's bytes were last found, outside the hub: signed addresses that expire. */
  readonly #located = new Map<string, URL>();
  #xetWorks = true;

  constructor(ref: Extract<ModelRef, { kind: "hub" }>, options: SourceOptions) {
    this.uri = uriOf(ref);
    this.#id = ref.id;
    this.#revision = ref.revision;
    this.#options = options;
    this.#endpoint = options.hfEndpoint.replace(/\/+$/, "");
    this.#origin = URL.parse(this.#endpoint)?.origin;
    this.#transport = openTransport({ env: options.env, connections: options.jobs, sleep: options.sleep });
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    const revision = options.revision ?? this.#revision ?? "main";
    assertRevision(revision);
    const access = await this.#accessed();
    const fetchApi = this.#api(access, revision, options.signal);
    const { listFiles, modelInfo } = await loadLibrary("hugging_face");
    const common = { hubUrl: this.#endpoint, fetch: fetchApi };
    const info = await answered(
      this.#endpoint,
      () => modelInfo({ name: this.#id, revision, additionalFields: ["sha"], ...common }),
    );
    if (typeof info.sha !== "string" || !/^[0-9a-f]{40}$/.test(info.sha)) {
      throw new AimError("network", `${new URL(this.#endpoint).host} names no commit for ${this.uri}`, {
        hint: "check HF_ENDPOINT",
      });
    }
    const commit = info.sha as CommitSha;
    const repo = { type: "model" as const, name: this.#id };
    const entries = await answered(
      this.#endpoint,
      () => Array.fromAsync(listFiles({ repo, revision: commit, recursive: true, ...common })),
    );
    // Addresses of another commit's files are of no use.
    if (commit !== this.#commit) this.#located.clear();
    this.#commit = commit;
    const wanted = pathFilter(options.include ?? [], options.exclude ?? []);
    const files = treeFiles(entries, (path) => !isBookkeepingPath(path) && wanted(path), this.uri);
    return { source: this.uri, revision, commit, files };
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

  close(): void {
    this.#transport.close();
  }

  #accessed(): Promise<HubAccess> {
    return this.#access ??= this.#options.hfToken().then((token) => ({
      endpoint: this.#endpoint,
      origin: this.#origin,
      token,
    }));
  }

  /** A fetch for the hub's library that turns refusals into errors of ours. */
  #api(access: HubAccess, revision: string, signal: AbortSignal | undefined): typeof fetch {
    const send = hubFetch(access, this.#transport.request, signal);
    return async (input, init) => {
      const response = await send(input, init);
      if (response.ok) return response;
      const error = await this.#refused(response, access, revision, null);
      if (!(error instanceof TransientError)) throw error;
      throw new AimError("network", error.message, { hint: "run again later", cause: error });
    };
  }

  async #refused(
    response: Response,
    access: HubAccess,
    revision: string,
    path: string | null,
  ): Promise<Error> {
    const question: HubQuestion = {
      endpoint: this.#endpoint,
      id: this.#id,
      revision,
      path,
      token: access.token !== null,
    };
    return hubError(
      { status: response.status, headers: response.headers, message: await spoken(response) },
      question,
    );
  }

  /** XET where it is asked for before HTTP, or as the only way. */
  #useXet(file: ManifestFile): boolean {
    const { protocols } = this.#options;
    return file.xetHash !== undefined && protocols[0] === "XET" && (this.#xetWorks || protocols.length === 1);
  }

  #xetFailed(error: unknown): void {
    if (this.#xetWorks) {
      const next = this.#options.protocols[1];
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(`${this.uri}: reading by XET failed${next === undefined ? "" : `, going on by ${next}`}`, {
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
    let url = resolveUrl(this.#endpoint, this.#id, commit, file.path);
    for (let hop = 0; hop <= REDIRECTS; hop++) {
      const response = await this.#ask(url, access, range, signal);
      this.#checkLinked(response, url, file, commit);
      const next = redirectOf(response, url, this.#endpoint);
      if (next === null) {
        if (response.ok && !this.#isOwn(url)) this.#located.set(file.path, url);
        return await this.#data(response, url, access, file, range);
      }
      await discard(response);
      url = next;
    }
    throw new TransientError(`${url.host} redirects ${file.path} without end`);
  }

  #ask(
    url: URL,
    access: HubAccess,
    range: ByteRange | null,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers = { ...hubHeaders(url, access), ...rangeHeader(range), ...PLAIN };
    return this.#transport.fetch(url, { headers, signal });
  }

  #isOwn(url: URL): boolean {
    return url.origin === this.#origin;
  }

  /** What the hub says of a file on the way to its bytes must be what the manifest says. */
  #checkLinked(response: Response, url: URL, file: ManifestFile, commit: CommitSha): void {
    if (!this.#isOwn(url) || response.status >= 400) return;
    const { headers } = response;
    const changed = (what: string) => {
      response.body?.cancel().catch(() => {});
      return new SourceChangedError(file.path, `${file.path} ${what}`);
    };
    const served = headers.get("x-repo-commit");
    if (served !== null && served !== commit) throw changed(`is served from commit ${served}, not ${commit}`);
    const etag = plainEtag(headers.get("x-linked-etag"));
    if (etag !== null && etag !== file.etag) throw changed(`has ETag ${etag}, it was ${file.etag}`);
    const size = headers.get("x-linked-size");
    if (size !== null && Number(size) !== file.size) throw changed(`has ${size} bytes, it had ${file.size}`);
  }

  async #data(
    response: Response,
    url: URL,
    access: HubAccess,
    file: ManifestFile,
    range: ByteRange | null,
  ): Promise<RangeBody> {
    const own = this.#isOwn(url);
    if (response.ok) {
      // Elsewhere the ETag is the store's own; from the hub it is git's id, unless X-Linked-ETag has said more.
      const tagged = own && !response.headers.has("x-linked-etag")
        ? plainEtag(response.headers.get("etag"))
        : null;
      return await rangeBody(response, file, range, tagged);
    }
    if (own) throw await this.#refused(response, access, this.#commit ?? "", file.path);
    this.#located.delete(file.path);
    await discard(response);
    if (response.status === 416) {
      throw new SourceChangedError(file.path, `${file.path} is shorter than it was`);
    }
    const retryAfter = parseRetryAfter(response.headers.get("retry-after"), Date.now());
    throw new TransientError(`${url.host} answers with status ${response.status} (${file.path})`, {
      retryAfter,
    });
  }
}

/** Statuses that a store gives for a signed address whose time is over. */
function isExpired(status: number): boolean {
  return status === 400 || status === 401 || status === 403 || status === 404 || status === 410;
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

/** An answer that is no JSON of the expected form is a fault of what stands at the endpoint. */
async function answered<T>(endpoint: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new AimError("network", `${new URL(endpoint).host} does not answer as a model hub does`, {
      hint: "check HF_ENDPOINT and the proxy settings",
      cause: error,
    });
  }
}

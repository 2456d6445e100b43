import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { pathFilter } from "../filter_paths.ts";
import { FileAddresses } from "../file_addresses.ts";
import type { ByteRange, CommitSha, Manifest, ManifestFile } from "../manifest.ts";
import { assertRevision, type HubRef, uriOf } from "../model_ref.ts";
import { filesOfQuantisation, ggufFiles, withoutQuantisation } from "../quantisation.ts";
import { rangeBody, rangeHeader } from "../range_body.ts";
import { type ManifestOptions, type RangeBody, type Source, SourceChangedError } from "../source.ts";
import type { SourceOptions } from "../source_options.ts";
import { askedWait } from "../transport/asked_wait.ts";
import { passingFault } from "../transport/passing_fault.ts";
import { discard } from "../transport/transport.ts";
import { hubError } from "./hub_error.ts";
import { hubListing } from "./hub_listing.ts";
import { Hub, type HubAnswer } from "./hub.ts";
import { treeFiles } from "./tree_files.ts";
import { readXet } from "./xet.ts";

/** A model on the Hugging Face Hub, or on another server with its protocol at `HF_ENDPOINT`. */
export class HubSource implements Source {
  readonly uri: string;
  readonly #ref: HubRef;
  readonly #options: SourceOptions;
  readonly #hub: Hub;
  readonly #addresses = new FileAddresses();
  #commit: CommitSha | null = null;
  #xetWorks = true;

  constructor(ref: HubRef, options: SourceOptions) {
    this.uri = uriOf(ref);
    this.#ref = ref;
    this.#options = options;
    this.#hub = new Hub(options);
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    const { include = [], exclude = [], signal } = options;
    const revision = options.revision ?? this.#ref.revision ?? "main";
    assertRevision(revision);
    const wanted = pathFilter(include, exclude);
    const refused = (response: Response) => this.#refused(response, revision, null);
    const question = { hub: this.#hub, id: this.#ref.id, revision, wanted, refused, signal };
    const { commit, entries } = await hubListing(question);
    this.#commit = commit;
    const listed = treeFiles(entries, wanted, this.uri);
    const files = this.#quantised(listed);
    const filtered = files.length < listed.length;
    return { source: this.uri, revision, commit, files, filtered, unmatched: wanted.unmatched() };
  }

  async read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody> {
    const commit = this.#commit;
    if (commit === null) throw new Error(`${this.uri}: read before its manifest`);
    if (file.size === 0) return { range: { start: 0, end: 0 }, body: new Blob().stream() };
    if (this.#usesXet(file)) {
      try {
        return await readXet(file, range, {
          refreshUrl: `${this.#hub.endpoint}/api/models/${this.#ref.id}/xet-read-token/${commit}`,
          fetch: this.#hub.fetch("fetch", signal),
          onBroken: (error) => signal.aborted ? undefined : this.#xetFailed(error),
        });
      } catch (error) {
        signal.throwIfAborted();
        this.#xetFailed(error);
        if (this.#options.protocols.length === 1) throw error;
      }
    }
    const headers = new Headers({ ...rangeHeader(range), "accept-encoding": "identity" });
    const address = this.#hub.fileAddress(this.#ref.id, commit, file.path);
    const answer = await this.#addresses.ask(
      file,
      address,
      headers,
      (url, headers) => this.#hub.send("fetch", url, { headers, signal }),
    );
    assertLinked(answer, file);
    if (!answer.response.ok) throw await this.#unread(answer, commit, file.path);
    return await rangeBody(answer.response, file, range, null);
  }

  close(): void {
    this.#hub.close();
  }

  /** @throws {AimError} `not-found` if the repository does not have the quantisation. */
  #quantised(files: readonly ManifestFile[]): readonly ManifestFile[] {
    const { quantisation } = this.#ref;
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

  /** XET if it is the first protocol, and has not failed unless it is the only one. */
  #usesXet(file: ManifestFile): boolean {
    const { protocols } = this.#options;
    return file.xetHash !== undefined && protocols[0] === "XET" && (this.#xetWorks || protocols.length === 1);
  }

  #xetFailed(error: unknown): void {
    if (this.#xetWorks) {
      const next = this.#options.protocols[1];
      const reason = error instanceof Error ? error.message : String(error);
      const then = next === undefined ? "" : `, continuing with ${next}`;
      log.warn(`${this.uri}: reading by XET failed${then}`, { reason });
      if (next !== undefined) this.#options.onProtocol?.(next);
    }
    this.#xetWorks = false;
  }

  async #refused(response: Response, revision: string, path: string | null): Promise<Error> {
    const token = await this.#hub.token() !== null;
    return await hubError(response, {
      endpoint: this.#hub.endpoint,
      id: this.#ref.id,
      revision,
      path,
      token,
    });
  }

  /** The error for a file's answer that is not data. */
  async #unread({ response, url }: HubAnswer, commit: CommitSha, path: string): Promise<Error> {
    if (this.#hub.owns(url)) return await this.#refused(response, commit, path);
    const { status, headers } = response;
    if (headers.has("x-error-code")) {
      // A mirror redirected to another hub, which gets no token.
      const question = { endpoint: url.origin, id: this.#ref.id, revision: commit, path, token: false };
      const error = await hubError(response, question);
      if (!(error instanceof AimError)) return error;
      const message = `${this.#hub.host} redirects to ${url.host}, which gets no token: ${error.message}`;
      return new AimError(error.kind, message, {
        hint: `set HF_ENDPOINT=${url.origin} to ask it directly`,
        cause: error,
      });
    }
    await discard(response);
    if (status === 416) return new SourceChangedError(path, `${path} is shorter than it was`);
    return passingFault(status, url.host, path, askedWait(headers));
  }
}

/**
 * The hub sends the SHA-256 of a large file with its redirect: if it differs from the manifest's, the file has
 * changed. Other headers are not checked, since proxies change them; size and digest of the bytes decide.
 */
function assertLinked({ response, linkedEtag: etag }: HubAnswer, file: ManifestFile): void {
  if (!response.ok || file.digest?.algorithm !== "sha256") return;
  if (etag === null || !/^[0-9a-f]{64}$/.test(etag) || etag === file.etag) return;
  response.body?.cancel().catch(() => {});
  throw new SourceChangedError(file.path, `${file.path} has ETag ${etag}, it was ${file.etag}`);
}

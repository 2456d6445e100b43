import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { log } from "../../log/logger.ts";
import { pathFilter } from "../filter_paths.ts";
import { FileAddresses } from "../file_addresses.ts";
import type { ByteRange, CommitSha, Manifest, ManifestFile } from "../manifest.ts";
import { assertRevision, type HubRef, uriOf } from "../model_ref.ts";
import { filesOfQuantisation, ggufFiles, withoutQuantisation } from "../quantisation.ts";
import { rangeBody, rangeHeader } from "../range_body.ts";
import {
  type ManifestOptions,
  type RangeBody,
  type Source,
  SourceChangedError,
  TransientError,
} from "../source.ts";
import type { Protocol, SourceOptions } from "../source_options.ts";
import { hubListing } from "./hub_listing.ts";
import { type HubAnswer, HubRepository } from "./hub_repository.ts";

/** A model on the Hugging Face Hub, or on another server with its protocol at `HF_ENDPOINT`. */
export class HubSource implements Source {
  readonly uri: string;
  readonly #ref: HubRef;
  readonly #repository: HubRepository;
  readonly #addresses = new FileAddresses();
  readonly #onProtocol: SourceOptions["onProtocol"];
  /** The first one is used; it is removed when it fails. */
  #protocols: readonly Protocol[];
  #commit: CommitSha | null = null;

  constructor(ref: HubRef, options: SourceOptions) {
    this.uri = uriOf(ref);
    this.#ref = ref;
    this.#onProtocol = options.onProtocol;
    this.#protocols = options.protocols;
    this.#repository = new HubRepository(ref.id, options);
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    const { wanted = pathFilter(), signal } = options;
    const revision = options.revision ?? this.#ref.revision ?? "main";
    assertRevision(revision);
    const { commit, files: listed } = await hubListing(this.#repository, revision, wanted, signal);
    this.#commit = commit;
    const files = this.#quantised(listed);
    return { source: this.uri, revision, commit, files, filtered: files.length < listed.length };
  }

  async read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody> {
    const commit = this.#commit;
    if (commit === null) throw new Error(`${this.uri}: read before its manifest`);
    if (file.xetHash !== undefined && this.#protocols[0] === "XET") {
      try {
        return await this.#readXet(file, commit, range, signal);
      } catch (error) {
        if (signal.aborted || this.#protocols[0] === "XET") throw error;
      }
    }
    const headers = { ...rangeHeader(range), "accept-encoding": "identity" };
    const answer = await this.#addresses.ask(
      file,
      this.#repository.fileAddress(commit, file.path),
      headers,
      (url, headers) => this.#repository.send("fetch", url, { headers, signal }),
    );
    assertLinked(answer, file);
    if (!answer.response.ok) throw await this.#repository.refused(answer, commit, file.path);
    return await rangeBody(answer.response, file, range, null);
  }

  [Symbol.dispose](): void {
    this.#repository.close();
  }

  /** @throws {AimError} `not-found` if the repository does not have the quantisation. */
  #quantised(files: readonly ManifestFile[]): readonly ManifestFile[] {
    const { quantisation } = this.#ref;
    if (quantisation === undefined) return files;
    const paths = files.map(({ path }) => path);
    if (ggufFiles(paths, quantisation).length === 0) {
      throw new AimError("not-found", `${this.uri} has ${withoutQuantisation(quantisation, paths)}`, {
        hint: "name one that it has after the colon; for a branch of that name, use @",
      });
    }
    const isOwn = filesOfQuantisation(quantisation);
    return files.filter(({ path }) => isOwn(path));
  }

  /**
   * Reads by the xet protocol; resolves with the first bytes. Any failure, then or later, is a {@linkcode
   * TransientError}.
   */
  async #readXet(
    { path, size, xetHash = "" }: ManifestFile,
    commit: CommitSha,
    range: ByteRange | null,
    signal: AbortSignal,
  ): Promise<RangeBody> {
    const { __internal_XetBlob: XetBlob } = await loadLibrary("hugging_face");
    const { start, end } = range ?? { start: 0, end: size };
    const blob = new XetBlob({
      hash: xetHash,
      size,
      refreshUrl: this.#repository.apiAddress(`xet-read-token/${commit}`),
      fetch: this.#repository.fetch(signal),
      // aim already reads parts in parallel; the library's parallel reader buffers up to 256 MiB for each.
      parallelDownloads: false,
    });
    const failed = (error: unknown) => this.#xetFailed(path, error);
    const read = async function* () {
      let at = start;
      try {
        for await (const chunk of blob.slice(start, end).stream()) {
          at += chunk.length;
          yield chunk;
        }
        if (at < end) throw new Error(`it ended ${end - at} bytes early`);
      } catch (error) {
        signal.throwIfAborted();
        throw failed(error);
      }
    };
    const rest = read();
    const first = await rest.next();
    const chunks = async function* () {
      if (!first.done) yield first.value;
      yield* rest;
    };
    return { range: { start, end }, body: ReadableStream.from(chunks()) };
  }

  /** The next attempts use the next protocol, if there is one. */
  #xetFailed(path: string, cause: unknown): TransientError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const [failed, next, ...rest] = this.#protocols;
    if (failed === "XET" && next !== undefined) {
      this.#protocols = [next, ...rest];
      log.warn(`${this.uri}: reading by XET failed, continuing with ${next}`, { reason });
      this.#onProtocol?.(next);
    }
    return new TransientError(`${path} cannot be read by XET: ${reason}`, { cause });
  }
}

/**
 * Checks the SHA-256 in the headers of a large file's redirect. Other headers are not checked, since proxies
 * change them; the size and digest of the bytes decide.
 */
function assertLinked({ response, linkedEtag: etag }: HubAnswer, file: ManifestFile): void {
  if (!response.ok || file.digest?.algorithm !== "sha256") return;
  if (etag === null || !/^[0-9a-f]{64}$/.test(etag) || etag === file.etag) return;
  response.body?.cancel().catch(() => {});
  throw new SourceChangedError(`${file.path} has ETag ${etag}, it was ${file.etag}`);
}

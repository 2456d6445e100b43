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
import { hubListing } from "./hub_listing.ts";
import { type HubAnswer, HubRepository } from "./hub_repository.ts";
import { treeFiles } from "./tree_files.ts";
import { readXet } from "./xet.ts";

/** A model on the Hugging Face Hub, or on another server with its protocol at `HF_ENDPOINT`. */
export class HubSource implements Source {
  readonly uri: string;
  readonly #ref: HubRef;
  readonly #options: SourceOptions;
  readonly #repository: HubRepository;
  readonly #addresses = new FileAddresses();
  #commit: CommitSha | null = null;
  #xetWorks = true;

  constructor(ref: HubRef, options: SourceOptions) {
    this.uri = uriOf(ref);
    this.#ref = ref;
    this.#options = options;
    this.#repository = new HubRepository(ref.id, options);
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    const { include = [], exclude = [], signal } = options;
    const revision = options.revision ?? this.#ref.revision ?? "main";
    assertRevision(revision);
    const wanted = pathFilter(include, exclude);
    const { commit, entries } = await hubListing(this.#repository, revision, wanted, signal);
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
          refreshUrl: this.#repository.apiAddress(`xet-read-token/${commit}`),
          fetch: this.#repository.fetch("fetch", signal),
          onBroken: (error) => signal.aborted ? undefined : this.#xetFailed(error),
        });
      } catch (error) {
        signal.throwIfAborted();
        this.#xetFailed(error);
        if (this.#options.protocols.length === 1) throw error;
      }
    }
    const headers = new Headers({ ...rangeHeader(range), "accept-encoding": "identity" });
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
        hint: "name one of them after the colon; a branch of that name goes after @",
      });
    }
    const isOwn = filesOfQuantisation(quantisation);
    return files.filter(({ path }) => isOwn(path));
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

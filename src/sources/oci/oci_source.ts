import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { isBookkeepingPath } from "../bookkeeping_path.ts";
import { pathFilter } from "../filter_paths.ts";
import type { ByteRange, Manifest, ManifestFile } from "../manifest.ts";
import { uriOf } from "../model_ref.ts";
import { emptyBody, rangeBody, rangeHeader } from "../range_body.ts";
import { assertSafePath } from "../safe_path.ts";
import { sortedFiles } from "../sorted_files.ts";
import type { ManifestOptions, RangeBody, Source } from "../source.ts";
import type { SourceOptions } from "../source_options.ts";
import { parseJson } from "../transport/parse_json.ts";
import {
  choosePlatform,
  type Descriptor,
  filePathOf,
  isArchive,
  MANIFEST_TYPES,
  readArtifact,
} from "./artifact_layers.ts";
import { ociError } from "./oci_error.ts";
import { openLayout } from "./layout_directory.ts";
import { isDigest, type OciLayoutRef, type OciRef } from "./oci_ref.ts";
import { openRegistry, type Registry } from "./registry.ts";

/** Manifests have some hundred bytes for each layer. */
const LARGEST_MANIFEST = 4 * 2 ** 20;

/** A model in an OCI registry or an OCI layout directory: an artifact whose layers are files (ModelPack's raw layers, ORAS, Docker's model runner). */
export class OciSource implements Source {
  readonly uri: string;
  readonly #reference: string;
  readonly #registries: readonly Registry[];

  constructor(ref: OciRef | OciLayoutRef, options: SourceOptions) {
    this.uri = uriOf(ref);
    this.#reference = ref.reference;
    this.#registries = ref.kind === "oci-layout"
      ? [openLayout(ref.directory)]
      : [...mirrorsOf(ref.registry, options.env), ref.registry]
        .map((host) => openRegistry(host, ref.repository, options));
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    const layers = await this.#layers(this.#reference, options.signal);
    const wanted = pathFilter(options.include ?? [], options.exclude ?? []);
    const files = layers.flatMap((layer): ManifestFile[] => {
      const path = filePathOf(layer);
      if (path === null || isBookkeepingPath(path) || !wanted(path)) return [];
      const hex = layer.digest.slice("sha256:".length);
      return [{
        path: assertSafePath(path, this.uri),
        size: layer.size,
        digest: { algorithm: "sha256", hex },
        etag: hex,
      }];
    });
    return { source: this.uri, revision: null, commit: null, files: sortedFiles(files, this.uri) };
  }

  async read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody> {
    if (file.size === 0) return { range: { start: 0, end: 0 }, body: emptyBody() };
    const headers = { ...rangeHeader(range), "accept-encoding": "identity" };
    const { response, registry } = await this.#ask("file", `blobs/sha256:${file.etag}`, { headers, signal });
    if (!response.ok) throw await ociError(response, this.uri, registry.host, file.path);
    return await rangeBody(response, file, range, null);
  }

  close(): void {
    for (const registry of this.#registries) registry.close();
  }

  async #layers(reference: string, signal: AbortSignal | undefined) {
    let wanted = reference;
    for (let depth = 0; depth < 3; depth++) {
      const artifact = await this.#artifact(wanted, signal);
      if (artifact.kind === "layers") return this.#filesOnly(artifact.layers);
      const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
      const chosen = choosePlatform(artifact.manifests, architecture);
      if (chosen === null) {
        throw new AimError("not-found", `${this.uri} has nothing for linux/${architecture}`, {
          hint: "name the manifest by its digest",
        });
      }
      wanted = chosen.digest;
    }
    throw this.#unusable("its indexes are nested too deeply");
  }

  async #artifact(reference: string, signal: AbortSignal | undefined) {
    const { response, registry } = await this.#ask("question", `manifests/${reference}`, {
      headers: { accept: MANIFEST_TYPES.join(", ") },
      signal,
    });
    if (!response.ok) throw await ociError(response, this.uri, registry.host, null);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > LARGEST_MANIFEST) throw this.#unusable(`its manifest has ${bytes.length} bytes`);
    const digest = `sha256:${new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex()}`;
    if (isDigest(reference) && digest !== reference) {
      throw new AimError("integrity", `${registry.host} answers with manifest ${digest} for ${reference}`, {
        hint: "suspect the registry or a proxy before it",
      });
    }
    log.debug(`${this.uri} is ${digest}`);
    try {
      return readArtifact(parseJson(new TextDecoder().decode(bytes), registry.host));
    } catch (cause) {
      throw cause instanceof TypeError ? this.#unusable(cause.message, cause) : cause;
    }
  }

  /** Archives are refused by name: a part of a model is no model. */
  #filesOnly(layers: readonly Descriptor[]): readonly Descriptor[] {
    const archive = layers.find(isArchive);
    if (archive === undefined) return layers;
    throw new AimError("usage", `${this.uri} has a layer that is an archive (${archive.mediaType})`, {
      hint: "aim reads artifacts whose layers are files: pack the model with raw layers, or with aim export",
    });
  }

  #unusable(reason: string, cause?: unknown): AimError {
    return new AimError("network", `${this.uri} is not an artifact that can be read: ${reason}`, {
      hint: "check the registry and the tag",
      cause,
    });
  }

  /** The mirrors first: one that does not have it, or does not answer, is passed over. */
  async #ask(
    ...[how, path, init]: Parameters<Registry["ask"]>
  ): Promise<{ response: Response; registry: Registry }> {
    for (const [at, registry] of this.#registries.entries()) {
      const last = at === this.#registries.length - 1;
      try {
        const response = await registry.ask(how, path, init);
        if (last || response.ok || response.status === 416) return { response, registry };
        log.debug(`mirror ${registry.host} answers ${response.status} for ${this.uri}`);
        await response.body?.cancel();
      } catch (error) {
        init.signal?.throwIfAborted();
        if (last) throw error;
        log.debug(`mirror ${registry.host}: ${error instanceof Error ? error.message : error}`);
      }
    }
    throw new Error("no registry");
  }
}

/** `AIM_OCI_MIRRORS`: `registry=mirror`, separated by commas; several mirrors of one registry are tried in this order. */
function mirrorsOf(registry: string, env: SourceOptions["env"]): string[] {
  return (env.AIM_OCI_MIRRORS ?? "").split(",").flatMap((pair) => {
    const [from, mirror] = pair.split("=").map((word) => word.trim());
    return from === registry && mirror ? [mirror] : [];
  });
}

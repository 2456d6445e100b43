import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { pathFilter } from "../filter_paths.ts";
import type { Archive, ByteRange, Manifest, ManifestFile, RelativePath } from "../manifest.ts";
import { uriOf } from "../model_ref.ts";
import { rangeBody, rangeHeader } from "../range_body.ts";
import { assertSafePath } from "../safe_path.ts";
import { sortedFiles } from "../sorted_files.ts";
import type { ManifestOptions, RangeBody, Source } from "../source.ts";
import type { SourceOptions } from "../source_options.ts";
import { parseJson } from "../transport/parse_json.ts";
import { readBounded } from "../transport/read_bounded.ts";
import {
  type Artifact,
  contentOf,
  type Descriptor,
  fittingManifests,
  MANIFEST_TYPES,
  parentIn,
  readArtifact,
} from "./artifact_layers.ts";
import { ociError } from "./oci_error.ts";
import { openLayout } from "./layout_directory.ts";
import { hexIn, isDigest, type OciLayoutRef, type OciRef } from "./oci_ref.ts";
import { openRegistry, type Registry } from "./registry.ts";

type Layers = Extract<Artifact, { kind: "layers" }>;

/** The configuration of a ModelKit. */
const KITFILE = "application/vnd.kitops.modelkit.config.v1+json";

/** Maximum bytes of a manifest or configuration, which have a few hundred bytes per layer. */
const LARGEST_DOCUMENT = 4 * 2 ** 20;

/**
 * A model in an OCI registry or an OCI layout directory. Its layers are files (ModelPack, ORAS, Docker Model
 * Runner) or archives (ModelPack, ModelKits, ORAS, ModelCar).
 */
export class OciSource implements Source {
  readonly uri: string;
  readonly #reference: string;
  readonly #registries: readonly Registry[];
  /** A file whose blob is missing in the registry. */
  #missing: ManifestFile | null = null;

  constructor(ref: OciRef | OciLayoutRef, options: SourceOptions) {
    this.uri = uriOf(ref);
    this.#reference = ref.reference;
    this.#registries = ref.kind === "oci-layout"
      ? [openLayout(ref.directory)]
      : [...mirrorsOf(ref.registry, options.env), ref.registry]
        .map((host) => openRegistry(host, ref.repository, options));
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    const artifact = await this.#resolved(options.signal);
    this.#assertThere(artifact);
    await this.#assertUsable(artifact, options.signal);
    const { wanted = pathFilter() } = options;
    const layers = artifact.layers.flatMap((layer) => {
      const content = contentOf(layer);
      return content === null ? [] : [{ layer, ...content }];
    });
    const files = layers.flatMap(({ layer, path, isPacked }) =>
      isPacked || path === null || !wanted(path) ? [] : [fileOf(layer, path)]
    );
    const others = layers.some(({ path }) => path !== null) ? "files" : "folder";
    const kind = artifact.isImage ? "image" : others;
    // Lowest first. If a layer is listed twice, the upper one counts.
    const archives = new Map<string, Archive>();
    for (const { layer, path: name, isPacked } of layers) {
      const key = `${layer.digest} ${name}`;
      if (!isPacked) continue;
      const path = name === null ? null : assertSafePath(name, this.uri);
      archives.delete(key);
      archives.set(key, { file: fileOf(layer, `layer ${layer.digest.slice(0, 19)}`), kind, path });
    }
    return {
      source: this.uri,
      revision: null,
      commit: null,
      files: sortedFiles(files, this.uri),
      ...(archives.size > 0 && { archives: [...archives.values()] }),
    };
  }

  /**
   * A blob may be missing because the tag has moved. If the new manifest lists it too, the registry has lost
   * it.
   */
  #assertThere({ layers }: Layers): void {
    const missing = this.#missing;
    if (missing === null || !layers.some(({ digest }) => digest === `sha256:${missing.etag}`)) return;
    const host = this.#registries.at(-1)?.host;
    const message = `${host} does not have the blob of ${missing.path} (sha256:${missing.etag})`;
    throw new AimError("not-found", message, {
      hint: "push the model again: the registry has lost a part of it",
    });
  }

  /** Refuses encrypted layers, and a ModelKit that refers to another one for its model. */
  async #assertUsable({ config, layers }: Layers, signal: AbortSignal | undefined): Promise<void> {
    const encrypted = layers.find(({ mediaType }) => mediaType.endsWith("+encrypted"));
    if (encrypted !== undefined) throw this.#unusable(`a layer is encrypted (${encrypted.mediaType})`);
    if (config?.mediaType !== KITFILE) return;
    const read = (value: unknown) => parentIn(value, layers);
    const parent = await this.#document(`blobs/${config.digest}`, read, signal);
    if (parent === null) return;
    const message = `${this.uri} does not contain its model: it refers to the ModelKit ${
      JSON.stringify(parent)
    }`;
    throw new AimError("not-found", message, { hint: "name that ModelKit, or pack this one with the model" });
  }

  async read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody> {
    const headers = { ...rangeHeader(range), "accept-encoding": "identity" };
    const { response, registry } = await this.#ask(`blobs/sha256:${file.etag}`, { headers, signal }, file);
    if (response.status === 404) this.#missing = file;
    if (!response.ok) throw await ociError(response, this.uri, registry.host, file.path);
    return await rangeBody(response, file, range, null);
  }

  [Symbol.dispose](): void {
    for (const registry of this.#registries) registry.close();
  }

  /** The manifest, for this platform if it is in an index. */
  async #resolved(signal: AbortSignal | undefined): Promise<Layers> {
    let reference = this.#reference;
    for (let depth = 0; depth < 3; depth++) {
      const artifact = await this.#document(`manifests/${reference}`, readArtifact, signal);
      if (artifact.kind === "layers") return artifact;
      const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
      const [chosen, ...others] = fittingManifests(artifact.manifests, architecture);
      if (chosen === undefined) {
        throw new AimError("not-found", `${this.uri} has nothing for linux/${architecture}`, {
          hint: "name the manifest by its digest",
        });
      }
      if (others.length > 0) {
        const digests = [chosen, ...others].slice(0, 5).map(({ digest }) => digest).join(", ");
        throw new AimError("usage", `${this.uri} is an index of ${others.length + 1} artifacts`, {
          hint: `name one by its digest: ${digests}`,
        });
      }
      reference = chosen.digest;
    }
    throw this.#unusable("its indexes are nested too deeply");
  }

  /** Reads a manifest or a configuration. If it was requested by digest, its digest is verified. */
  async #document<T>(
    path: string,
    read: (value: unknown) => T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const [kind, reference = ""] = path.split("/");
    const { response, registry } = await this.#ask(path, {
      headers: { accept: kind === "manifests" ? MANIFEST_TYPES.join(", ") : "*/*" },
      signal,
    });
    if (!response.ok) throw await ociError(response, this.uri, registry.host, null);
    const bytes = await readBounded(response, registry.host, LARGEST_DOCUMENT);
    const digest = `sha256:${new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex()}`;
    if (isDigest(reference) && digest !== reference) {
      throw new AimError("integrity", `${registry.host} returned ${digest} for ${reference}`, {
        hint: "suspect the registry or a proxy in front of it",
      });
    }
    log.debug(`${this.uri}: ${path} is ${digest}`);
    try {
      return read(parseJson(new TextDecoder().decode(bytes), this.uri));
    } catch (cause) {
      throw cause instanceof TypeError ? this.#unusable(cause.message, cause) : cause;
    }
  }

  #unusable(reason: string, cause?: unknown): AimError {
    return new AimError("network", `${this.uri} is not a usable artifact: ${reason}`, {
      hint: "check the registry and the tag",
      cause,
    });
  }

  /** Tries the mirrors first, and skips those that fail. */
  async #ask(
    ...[path, init, file]: Parameters<Registry["ask"]>
  ): Promise<{ response: Response; registry: Registry }> {
    for (const [at, registry] of this.#registries.entries()) {
      const last = at === this.#registries.length - 1;
      try {
        const response = await registry.ask(path, init, file);
        if (last || response.ok || response.status === 416) return { response, registry };
        log.debug(`mirror ${registry.host} returned ${response.status} for ${this.uri}`);
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

function fileOf({ digest, size }: Descriptor, path: string): ManifestFile {
  const hex = hexIn(digest);
  return { path: path as RelativePath, size, digest: { algorithm: "sha256", hex }, etag: hex };
}

/** `AIM_OCI_MIRRORS`: comma-separated `registry=mirror` pairs. Mirrors of one registry are tried in order. */
function mirrorsOf(registry: string, env: SourceOptions["env"]): string[] {
  return (env.AIM_OCI_MIRRORS ?? "").split(",").flatMap((pair) => {
    const [from, mirror] = pair.split("=").map((word) => word.trim());
    return from === registry && mirror ? [mirror] : [];
  });
}

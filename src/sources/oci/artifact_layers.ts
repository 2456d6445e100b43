import { hexIn, isDigest } from "./oci_ref.ts";

/** A layer of an artifact, or its configuration. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, unknown>>;
  /** Of a manifest in an index: `os` and `architecture`. `null` for other artifacts. */
  readonly platform: Readonly<Record<string, unknown>> | null;
}

/** A manifest: layers, or manifests to choose from. */
export type Artifact =
  | {
    readonly kind: "layers";
    readonly layers: readonly Descriptor[];
    readonly config: Descriptor | null;
    /** A container image, such as ModelCar's. */
    readonly isImage: boolean;
  }
  | { readonly kind: "index"; readonly manifests: readonly Descriptor[] };

/** Accepted manifests: OCI's, Docker's, and indexes of both. */
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

const IMAGE_CONFIGS = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];

/** Annotations that name a layer's file: ModelPack's, then the one of ORAS and Docker Model Runner. */
const PATHS = ["org.cncf.model.filepath", "org.opencontainers.image.title"];

/**
 * Reads a manifest or an index.
 *
 * @param parsed JSON from an untrusted server.
 * @throws {TypeError} it is neither. The message is one clause.
 */
export function readArtifact(parsed: unknown): Artifact {
  const { manifests, layers, config, artifactType } = objectOf(parsed, "the manifest");
  if (Array.isArray(manifests)) return { kind: "index", manifests: manifests.map(readDescriptor) };
  if (Array.isArray(layers)) {
    const described = config === undefined ? null : readDescriptor(config);
    const isImage = artifactType === undefined && IMAGE_CONFIGS.includes(described?.mediaType ?? "");
    return { kind: "layers", layers: layers.map(readDescriptor), config: described, isImage };
  }
  throw new TypeError("it has neither layers nor manifests");
}

/** The path of a layer that is a file; `null` for archives and layers without a name. */
export function filePathOf(layer: Descriptor): string | null {
  if (isArchive(layer)) return null;
  const { mediaType, annotations } = layer;
  const path = PATHS.map((name) => annotations[name]).find((value) =>
    typeof value === "string" && value !== ""
  );
  if (typeof path === "string") return path;
  return mediaType.startsWith("application/vnd.docker.ai.gguf") ? "model.gguf" : null;
}

/**
 * True for tar archives: layers of images (ModelCar) and of ModelKits, and some of ModelPack's. ORAS uses an image
 * layer's type for files as well, with a title. It marks a folder with an annotation (Go) or as `tar+gzip` (Python).
 */
export function isArchive({ mediaType, annotations }: Descriptor): boolean {
  if (!/[.+]tar(?:$|[.+])/.test(mediaType)) return false;
  const title = annotations["org.opencontainers.image.title"];
  if (typeof title !== "string" || !mediaType.includes(".image.layer.")) return true;
  return annotations["io.deis.oras.content.unpack"] === "true" ||
    (mediaType.endsWith("+gzip") && !/\.(?:tar|tgz|gz)$/.test(title));
}

/** Digests of the uncompressed layers from the configuration of an image (`rootfs`) or of ModelPack (`modelfs`). */
export function diffIdsIn(config: unknown): readonly (string | null)[] {
  const { rootfs, modelfs } = objectOf(config, "the configuration");
  const { diff_ids, diffIds = diff_ids } = objectOf(modelfs ?? rootfs ?? {}, "the configuration");
  return Array.isArray(diffIds) ? diffIds.map(hexOf) : [];
}

/** Digest of the uncompressed layer from ORAS's annotation. */
export function diffIdOf({ annotations }: Descriptor): string | null {
  return hexOf(annotations["io.deis.oras.content.digest"]);
}

function hexOf(digest: unknown): string | null {
  return typeof digest === "string" && isDigest(digest) ? hexIn(digest) : null;
}

/** Chooses from an index: the manifest for this platform, else one without a platform (an artifact's). */
export function choosePlatform(manifests: readonly Descriptor[], architecture: string): Descriptor | null {
  return manifests.find(({ platform }) =>
    platform?.os === "linux" && platform.architecture === architecture
  ) ??
    manifests.find(({ platform }) => platform === null) ?? null;
}

function readDescriptor(value: unknown): Descriptor {
  const { mediaType, digest, size, annotations, platform } = objectOf(value, "a descriptor");
  if (typeof digest !== "string" || !isDigest(digest)) {
    throw new TypeError(`a layer's digest is ${JSON.stringify(digest)}`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new TypeError(`the size of ${digest} is ${JSON.stringify(size)}`);
  }
  return {
    mediaType: typeof mediaType === "string" ? mediaType : "",
    digest,
    size,
    annotations: objectOf(annotations ?? {}, "a layer's annotations"),
    platform: platform ? objectOf(platform, "a platform") : null,
  };
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new TypeError(`${what} is not a JSON object`);
}

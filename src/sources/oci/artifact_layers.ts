import { isDigest } from "./oci_ref.ts";

/** A layer of an artifact, or its configuration. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, unknown>>;
  /** `os` and `architecture` of a manifest in an index; `null` for other artifacts. */
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

/**
 * Annotations that name a layer's file: ModelPack's and its older one, then that of ORAS and Docker Model
 * Runner.
 */
const PATHS = ["org.cncf.model.filepath", "org.cnai.model.filepath", "org.opencontainers.image.title"];

export interface LayerContent {
  /** The file's name; `null` for a tar archive, perhaps compressed. */
  readonly path: string | null;
  /** False for a plain file. */
  readonly isPacked: boolean;
}

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

/** What a layer contains; `null` for one without a name, which is not part of the model. */
export function contentOf(layer: Descriptor): LayerContent | null {
  if (isTar(layer)) return { path: null, isPacked: true };
  const { mediaType, annotations } = layer;
  const isGguf = mediaType.startsWith("application/vnd.docker.ai.gguf");
  const names = [...PATHS.map((name) => annotations[name]), isGguf ? "model.gguf" : ""];
  const path = names.find((name): name is string => typeof name === "string" && name !== "");
  // ModelKits contain compressed files.
  return path === undefined ? null : { path, isPacked: /\.raw\+(?:gzip|zstd)$/.test(mediaType) };
}

/**
 * True for tar archives: layers of images (ModelCar) and of ModelKits, and some of ModelPack's. ORAS uses an
 * image layer's type for files as well, with a title. It marks a folder with an annotation (Go) or as
 * `tar+gzip` (Python).
 */
function isTar({ mediaType, annotations }: Descriptor): boolean {
  if (!/[.+]tar(?:$|[.+])/.test(mediaType)) return false;
  const title = annotations["org.opencontainers.image.title"];
  if (typeof title !== "string" || !mediaType.includes(".image.layer.")) return true;
  return annotations["io.deis.oras.content.unpack"] === "true" ||
    (mediaType.endsWith("+gzip") && !/\.(?:tar|tgz|gz)$/.test(title));
}

/**
 * An index's manifest for this platform, else those without a platform, which are artifacts. If there are
 * several, the user must choose.
 */
export function fittingManifests(
  manifests: readonly Descriptor[],
  architecture: string,
): readonly Descriptor[] {
  const images = manifests.filter(({ platform }) =>
    platform?.os === "linux" && platform.architecture === architecture
  );
  return images.length > 0 ? images.slice(0, 1) : manifests.filter(({ platform }) => platform === null);
}

/**
 * The ModelKit that another one refers to for its model; `null` for none.
 *
 * @param kitfile The configuration of a ModelKit.
 */
export function parentIn(kitfile: unknown, layers: readonly Descriptor[]): string | null {
  const { path } = objectOf(objectOf(kitfile, "the Kitfile").model ?? {}, "the Kitfile's model");
  const hasModel = layers.some(({ mediaType }) => mediaType.includes(".modelkit.model.v1"));
  return typeof path === "string" && /[:@]/.test(path) && !hasModel ? path : null;
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

/** A layer of an artifact, or its configuration. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform: { readonly os: string; readonly architecture: string } | null;
}

/** What a manifest says: layers, or manifests to choose from. */
export type Artifact =
  | {
    readonly kind: "layers";
    readonly layers: readonly Descriptor[];
    readonly config: Descriptor | null;
    /** A container image, as of ModelCar. */
    readonly isImage: boolean;
  }
  | { readonly kind: "index"; readonly manifests: readonly Descriptor[] };

/** Manifests that are asked for: OCI's, Docker's, and lists of both. */
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

const DIGEST = /^sha256:[0-9a-f]{64}$/;

const IMAGE_CONFIGS = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];

/** Annotations that name a layer's file: ModelPack's, then that of ORAS and Docker's model runner. */
const PATHS = ["org.cncf.model.filepath", "org.opencontainers.image.title"];

/**
 * Reads a manifest or an index.
 *
 * @param parsed JSON of a server that is not trusted.
 * @throws {TypeError} it is neither; the message is one clause.
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

/** The file that a layer is; `null` where it names none, or is an archive of files. */
export function filePathOf(layer: Descriptor): string | null {
  if (isArchive(layer)) return null;
  const { mediaType, annotations } = layer;
  return PATHS.map((name) => annotations[name]).find((path) => path !== undefined && path !== "") ??
    (mediaType.startsWith("application/vnd.docker.ai.gguf") ? "model.gguf" : null);
}

/**
 * True for layers that are tar archives: those of images (ModelCar), ModelKits, and ModelPack's packed ones. ORAS gives a file an image
 * layer's type, too, and its title. Of a folder it says that it is to be unpacked (Go), or that it is `tar+gzip` (Python).
 */
export function isArchive(
  { mediaType, annotations }: Pick<Descriptor, "mediaType" | "annotations">,
): boolean {
  if (!/[.+]tar(?:$|[.+])/.test(mediaType)) return false;
  const title = annotations["org.opencontainers.image.title"];
  if (title === undefined || !mediaType.includes(".image.layer.")) return true;
  return annotations["io.deis.oras.content.unpack"] === "true" ||
    (mediaType.endsWith("+gzip") && !/\.(?:tar|tgz|gz)$/.test(title));
}

/** What a layer's archive unpacks to, as a configuration says: that of an image (`rootfs`), or ModelPack's (`modelfs`). */
export function diffIdsIn(config: unknown): readonly (string | null)[] {
  const { rootfs, modelfs } = objectOf(config, "the configuration");
  const { diff_ids, diffIds = diff_ids } = objectOf(modelfs ?? rootfs ?? {}, "the configuration");
  return Array.isArray(diffIds) ? diffIds.map(hexOf) : [];
}

/** What ORAS says that an archive unpacks to. */
export function diffIdOf({ annotations }: Descriptor): string | null {
  return hexOf(annotations["io.deis.oras.content.digest"]);
}

function hexOf(digest: unknown): string | null {
  return typeof digest === "string" && DIGEST.test(digest) ? digest.slice("sha256:".length) : null;
}

/** The manifest of an index that is for this machine: one for its platform, else one for none (an artifact's). */
export function choosePlatform(manifests: readonly Descriptor[], architecture: string): Descriptor | null {
  const fits = ({ platform }: Descriptor) =>
    platform?.os === "linux" && platform.architecture === architecture;
  return manifests.find(fits) ?? manifests.find(({ platform }) => platform === null) ?? null;
}

function readDescriptor(value: unknown): Descriptor {
  const { mediaType, digest, size, annotations, platform } = objectOf(value, "a descriptor");
  if (typeof digest !== "string" || !DIGEST.test(digest)) {
    throw new TypeError(`a layer's digest is ${JSON.stringify(digest)}`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new TypeError(`the size of ${digest} is ${JSON.stringify(size)}`);
  }
  return {
    mediaType: typeof mediaType === "string" ? mediaType : "",
    digest,
    size,
    annotations: stringsOf(annotations),
    platform: platformOf(platform),
  };
}

function platformOf(value: unknown): Descriptor["platform"] {
  if (value === undefined || value === null) return null;
  const { os, architecture } = objectOf(value, "a platform");
  // An index of artifacts and attestations says "unknown".
  if (typeof os !== "string" || typeof architecture !== "string") return null;
  return { os, architecture };
}

function stringsOf(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new TypeError(`${what} is not a JSON object`);
}

/** A layer of a test artifact. */
export interface TestLayer {
  readonly mediaType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A test artifact. */
export interface TestArtifact {
  readonly artifactType?: string;
  readonly config: { readonly mediaType: string; readonly value: unknown };
  readonly layers: readonly TestLayer[];
}

/** Writes an artifact as an OCI layout directory, under the tag `latest`. Returns the manifest's digest. */
export async function writeLayout(directory: string, artifact: TestArtifact): Promise<string> {
  const blobs = `${directory}/blobs/sha256`;
  await Deno.mkdir(blobs, { recursive: true });
  const blob = async (bytes: Uint8Array<ArrayBuffer>) => {
    const hex = await sha256(bytes);
    await Deno.writeFile(`${blobs}/${hex}`, bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const { artifactType, config, layers } = artifact;
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    ...(artifactType === undefined ? {} : { artifactType }),
    config: { mediaType: config.mediaType, ...await blob(json(config.value)) },
    layers: await Promise.all(
      layers.map(async ({ mediaType, bytes, annotations }) => ({
        mediaType,
        ...await blob(bytes),
        ...(annotations === undefined ? {} : { annotations }),
      })),
    ),
  };
  const descriptor = await blob(json(manifest));
  await Deno.writeTextFile(`${directory}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  await Deno.writeTextFile(
    `${directory}/index.json`,
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: MANIFEST, ...descriptor, annotations }] }),
  );
  return descriptor.digest;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Hex. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

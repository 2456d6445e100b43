import { listFiles } from "../cache/files.ts";
import { recordPath } from "../cache/layout.ts";
import type { ListedModel } from "../cache/list_models.ts";
import { readRecord } from "../cache/record.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { manifestsIn, TAG, tagOf } from "../sources/oci/layout_directory.ts";
import { HashPool } from "../transfer/hash/hash_pool.ts";

export interface ExportReport {
  readonly directory: string;
  /** `sha256:…` of the manifest, which the receiver can pin. */
  readonly digest: string;
  readonly files: number;
  /** Bytes of all files. */
  readonly bytes: number;
  /** Files that are hard-linked to the cache. */
  readonly linked: number;
}

const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
/** The Model Format Specification's types (ModelPack). */
const MODEL = "application/vnd.cncf.model";

/**
 * Writes a model as an OCI layout directory: one raw layer per file, named by the annotations of ModelPack
 * and ORAS. Uses the digests recorded in the cache and hashes other files. The same model always gets the
 * same digest. Artifacts with other tags stay in the layout.
 *
 * @param tag The artifact's tag in the layout.
 * @throws {AimError} `no-space` if the directory cannot be written.
 */
export async function exportOciLayout(
  model: ListedModel,
  directory: string,
  tag: string,
  signal: AbortSignal,
): Promise<ExportReport> {
  const blobs = `${directory}/blobs/sha256`;
  const record = await readRecord(recordPath(model));
  const known = new Map(
    record?.files.flatMap(({ path, digest }) =>
      digest?.algorithm === "sha256" ? [[path, digest.hex] as const] : []
    ),
  );
  const files = [...await listFiles(model.path)].sort(([a], [b]) => a < b ? -1 : 1);
  using pool = new HashPool({ signal });
  try {
    await Deno.mkdir(blobs, { recursive: true });
    let linked = 0;
    const layers: Descriptor[] = [];
    for (const [path, size] of files) {
      signal.throwIfAborted();
      const source = `${model.path}/${path}`;
      const hex = known.get(path) ?? (await pool.hash(source, ["sha256"])).sha256 ?? "";
      if (await place(source, `${blobs}/${hex}`, size)) linked++;
      layers.push({
        mediaType: `${MODEL}.${kindOf(path)}.v1.raw`,
        digest: `sha256:${hex}`,
        size,
        annotations: { "org.cncf.model.filepath": path, "org.opencontainers.image.title": path },
      });
    }
    const config = await writeBlob(blobs, {
      descriptor: { name: model.name, ...(model.commit === null ? {} : { revision: model.commit }) },
      modelfs: { type: "layers", diffIds: layers.map((layer) => layer.digest) },
      config: {},
    });
    const manifest = await writeBlob(blobs, {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType: `${MODEL}.manifest.v1+json`,
      config: { mediaType: `${MODEL}.config.v1+json`, ...config },
      layers,
    });
    await Deno.writeTextFile(`${directory}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}\n');
    const entry = {
      mediaType: MANIFEST_TYPE,
      artifactType: `${MODEL}.manifest.v1+json`,
      ...manifest,
      annotations: { [TAG]: tag },
    };
    // Read only now: another export may have added an artifact while this one hashed its files.
    const others = (await manifestsIn(directory) ?? []).filter((one) => tagOf(one) !== tag);
    // Written last and atomically: without it the directory is not a layout.
    await Deno.writeTextFile(
      `${directory}/index.json.tmp`,
      JSON.stringify({ schemaVersion: 2, manifests: [...others, entry] }),
    );
    await Deno.rename(`${directory}/index.json.tmp`, `${directory}/index.json`);
    const bytes = files.reduce((sum, [, size]) => sum + size, 0);
    return { directory, digest: manifest.digest, files: files.length, bytes, linked };
  } catch (error) {
    signal.throwIfAborted();
    throw errorFrom(error, `writing ${directory}`);
  }
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}

function kindOf(path: string): string {
  if (/\.(?:safetensors|bin|gguf|pt|pth|onnx|npz)$/.test(path)) return "weight";
  if (/\.(?:md|txt|pdf)$|^(?:LICENSE|NOTICE)/i.test(path)) return "doc";
  return path.endsWith(".py") ? "code" : "weight.config";
}

/** Links or copies a file to its blob atomically. @returns True for a link. */
async function place(source: string, blob: string, size: number): Promise<boolean> {
  const there = await Deno.stat(blob).catch(() => null);
  if (there?.isFile && there.size === size) return false;
  const temporary = `${blob}.tmp`;
  await Deno.remove(temporary).catch(() => {});
  const link = async () => await Deno.link(await Deno.realPath(source), temporary);
  const linked = await link().then(() => true, () => false);
  if (!linked) await Deno.copyFile(source, temporary);
  await Deno.rename(temporary, blob);
  return linked;
}

async function writeBlob(blobs: string, value: unknown): Promise<{ digest: string; size: number }> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const hex = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  await Deno.writeFile(`${blobs}/${hex}`, bytes);
  return { digest: `sha256:${hex}`, size: bytes.length };
}

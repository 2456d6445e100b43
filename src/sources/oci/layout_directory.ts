import { AimError } from "../../errors/aim_error.ts";
import { readFileRange } from "../../os/read_file_range.ts";
import { readRegularText } from "../../os/read_regular_file.ts";
import { parseJson } from "../transport/parse_json.ts";
import type { TransportRequest } from "../transport/transport.ts";
import { hexIn, isDigest } from "./oci_ref.ts";
import type { Registry } from "./registry.ts";

/** The annotation with a manifest's tag. */
export const TAG = "org.opencontainers.image.ref.name";

/** Opens an OCI layout directory (`oci-layout`, `index.json`, `blobs/sha256/…`) as if it were a registry. */
export function openLayout(directory: string): Registry {
  return {
    host: directory,
    async ask(path, init) {
      const [kind, reference = ""] = path.split("/");
      if (kind === "manifests" && !isDigest(reference)) return await index(directory, reference);
      return await blob(`${directory}/blobs/sha256/${hexIn(reference)}`, init);
    },
    close() {},
  };
}

/** The index, reduced to the manifests with a tag. A single manifest needs no tag: `oras` writes none. */
async function index(directory: string, tag: string): Promise<Response> {
  const all = await manifestsIn(directory);
  if (all === null) throw notLayout(directory, "is missing");
  const tagged = all.filter((one) => tagOf(one) === tag);
  const isOnly = all.length === 1 && (tag === "latest" || tagOf(all[0]) === undefined);
  const manifests = tagged.length === 0 && isOnly ? all : tagged;
  return manifests.length === 0 ? new Response(null, { status: 404 }) : Response.json({ manifests });
}

/** The manifests in a layout's index; `null` if the index is missing. */
export async function manifestsIn(directory: string): Promise<readonly unknown[] | null> {
  const text = await readRegularText(`${directory}/index.json`);
  if (text.kind === "absent") return null;
  if (text.kind === "failed") throw notLayout(directory, `cannot be read (${text.reason})`);
  const parsed = parseJson(text.value, `${directory}/index.json`) as { readonly manifests?: unknown } | null;
  return Array.isArray(parsed?.manifests) ? parsed.manifests : [];
}

function notLayout(directory: string, why: string): AimError {
  return new AimError("not-found", `${directory} is not an OCI layout: index.json ${why}`, {
    hint: "name the directory that contains oci-layout, index.json and blobs",
  });
}

/** The tag of a manifest in a layout's index, if it has one. */
export function tagOf(manifest: unknown): unknown {
  const { annotations } = (manifest ?? {}) as { annotations?: Readonly<Record<string, unknown>> | null };
  return annotations?.[TAG];
}

async function blob(path: string, { headers }: TransportRequest): Promise<Response> {
  const info = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (!info?.isFile) return new Response(null, { status: 404 });
  const { size } = info;
  const wanted = /^bytes=(\d+)-(\d+)$/.exec(headers?.range ?? "");
  const [start, end] = wanted === null
    ? [0, size]
    : [Number(wanted[1]), Math.min(Number(wanted[2]) + 1, size)];
  if (start >= end && wanted !== null) return new Response(null, { status: 416 });
  return new Response(readFileRange(path, start, end), {
    status: wanted === null ? 200 : 206,
    headers: { "content-length": `${end - start}`, "content-range": `bytes ${start}-${end - 1}/${size}` },
  });
}

import { AimError } from "../../errors/aim_error.ts";
import { readFileRange } from "../../os/read_file_range.ts";
import { readRegularText } from "../../os/read_regular_file.ts";
import type { TransportRequest } from "../transport/transport.ts";
import { isDigest } from "./oci_ref.ts";
import type { Registry } from "./registry.ts";

/**
 * An OCI layout directory (`oci-layout`, `index.json`, `blobs/sha256/…`), answering as a registry would.
 *
 * Requires `--allow-read`.
 */
export function openLayout(directory: string): Registry {
  return {
    host: directory,
    async ask(_how, path, init) {
      const [kind, reference = ""] = path.split("/");
      if (kind === "manifests" && !isDigest(reference)) return await index(directory, reference);
      return await blob(`${directory}/blobs/sha256/${reference.slice("sha256:".length)}`, init);
    },
    close() {},
  };
}

/** The index, less what has other tags where one has this; a directory that `oras` or `aim export` wrote may hold one manifest without a tag. */
async function index(directory: string, tag: string): Promise<Response> {
  const text = await readRegularText(`${directory}/index.json`);
  if (text.kind !== "ok") {
    throw new AimError("not-found", `${directory} is not an OCI layout: index.json ${reasonOf(text)}`, {
      hint: "name the directory that holds oci-layout, index.json and blobs",
    });
  }
  const parsed = JSON.parse(text.value) as { readonly manifests?: readonly Tagged[] };
  const all = parsed.manifests ?? [];
  const tagged = all.filter((one) => one.annotations?.["org.opencontainers.image.ref.name"] === tag);
  const manifests = tagged.length > 0 ? tagged : all.length === 1 ? all : [];
  return manifests.length === 0 ? new Response(null, { status: 404 }) : Response.json({ manifests });
}

interface Tagged {
  readonly annotations?: Readonly<Record<string, string>>;
}

function reasonOf(
  read: { readonly kind: "absent" } | { readonly kind: "failed"; readonly reason: string },
): string {
  return read.kind === "absent" ? "is missing" : `cannot be read (${read.reason})`;
}

/** A blob, or the range of it that is asked for. */
async function blob(path: string, { headers }: TransportRequest): Promise<Response> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Response(null, { status: 404 });
    throw error;
  }
  if (!info.isFile) return new Response(null, { status: 404 });
  const { size } = info;
  const wanted = /^bytes=(\d+)-(\d+)$/.exec(new Headers(headers).get("range") ?? "");
  const [start, end] = wanted === null
    ? [0, size]
    : [Number(wanted[1]), Math.min(Number(wanted[2]) + 1, size)];
  if (start >= end && wanted !== null) return new Response(null, { status: 416 });
  return new Response(readFileRange(path, start, end), {
    status: wanted === null ? 200 : 206,
    headers: { "content-length": `${end - start}`, "content-range": `bytes ${start}-${end - 1}/${size}` },
  });
}

import { nodeModule } from "../os/node_module.ts";
import type { Archive } from "../sources/manifest.ts";
import { partFault } from "../sources/safe_path.ts";
import { tarEntries, TarFault } from "./tar_entries.ts";

/** An entry of an archive that matters for the model. */
export type LayerEntry =
  | FileEntry
  | { readonly kind: "directory"; readonly path: string }
  /** Removes a file or folder of lower layers. */
  | { readonly kind: "whiteout"; readonly path: string }
  /** Removes everything that lower layers have in a folder; an empty path is the root. */
  | { readonly kind: "opaque"; readonly path: string };

export interface FileEntry {
  readonly kind: "file";
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Byte offset in the archive. */
  readonly offset: number;
  /** Hex. */
  readonly sha256: string;
}

/** The folder of the model in an image. */
export const IMAGE_FOLDER = "models";

/** Bytes hashed at a time. */
const CHUNK = 1 << 18;
/** Maximum number of entries; a repository has the same limit. */
const MOST_ENTRIES = 100_000;
/** Maximum characters in all names together: a longer listing could not be read back. */
const MOST_CHARACTERS = 8 * 2 ** 20;
/** Maximum depth of folders. */
const DEEPEST = 100;

// OCI image specification, "Whiteouts".
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/**
 * Lists an archive's entries and hashes its files. In an image, entries outside of `/models` are skipped.
 *
 * @param file The uncompressed archive.
 * @param onRead Called with the number of bytes hashed. It may throw to stop reading.
 * @throws {TarFault} if a name leads outside, an entry is a link or a device, or two have the same name.
 */
export async function layerEntries(
  file: Deno.FsFile,
  kind: Archive["kind"],
  onRead: (bytes: number) => void,
): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  const seen = new Map<string, LayerEntry["kind"]>();
  let characters = 0;
  for (const { name, what, size, offset } of tarEntries(file)) {
    const path = relativeName(name);
    if (path === "" || (kind === "image" && !concernsModel(path))) continue;
    const fault = faultOf(path);
    if (fault !== null) throw new TarFault(`it has a file named ${JSON.stringify(name)}: ${fault}`);
    characters += path.length;
    if (entries.length === MOST_ENTRIES) throw new TarFault(`it has more than ${MOST_ENTRIES} entries`);
    if (characters > MOST_CHARACTERS) {
      throw new TarFault(`its names have more than ${MOST_CHARACTERS} characters`);
    }

    let entry: LayerEntry | null = kind === "image" ? removalBy(path) : null;
    if (what === "a directory") entry ??= { kind: "directory", path };
    else if (what === "a file" && !(kind === "image" && path === IMAGE_FOLDER)) {
      entry ??= {
        kind: "file",
        path,
        size,
        offset,
        sha256: await sha256Of(file, offset, offset + size, onRead),
      };
    }
    if (entry === null) throw new TarFault(`${JSON.stringify(path)} is ${what}`);
    const other = seen.get(path);
    if (other !== undefined && !(other === "directory" && entry.kind === "directory")) {
      throw new TarFault(`it has ${JSON.stringify(path)} twice`);
    }
    seen.set(path, entry.kind);
    entries.push(entry);
  }
  return entries;
}

/** The name without leading `./` and trailing `/`. */
function relativeName(name: string): string {
  if (name.startsWith("/")) throw new TarFault(`it has a file named ${JSON.stringify(name)}: it is absolute`);
  const path = name.replace(/^(?:\.\/+)+/, "").replace(/\/+$/, "");
  if (path.split("/").includes("..")) {
    throw new TarFault(`it has a file named ${JSON.stringify(name)}: ".." leads out of its directory`);
  }
  return path === "." ? "" : path;
}

function faultOf(path: string): string | null {
  const parts = path.split("/");
  if (parts.length > DEEPEST) return `it has more than ${DEEPEST} parts`;
  if (path.includes("\ufffd")) return "it is not valid Unicode";
  return parts.map(partFault).find((fault) => fault !== null) ?? null;
}

function concernsModel(path: string): boolean {
  return [IMAGE_FOLDER, `${WHITEOUT}${IMAGE_FOLDER}`, OPAQUE].includes(path) ||
    path.startsWith(`${IMAGE_FOLDER}/`);
}

function removalBy(path: string): LayerEntry | null {
  const slash = path.lastIndexOf("/");
  const [folder, name] = [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
  if (name === OPAQUE) return { kind: "opaque", path: folder };
  if (!name.startsWith(WHITEOUT)) return null;
  const gone = name.slice(WHITEOUT.length);
  return { kind: "whiteout", path: folder === "" ? gone : `${folder}/${gone}` };
}

/**
 * The SHA-256 of the bytes `[start, end)` of a file, in hex.
 *
 * @param onRead Called with the number of bytes read. It may throw to stop reading.
 */
export async function sha256Of(
  file: Deno.FsFile,
  start: number,
  end: number,
  onRead: (bytes: number) => void,
): Promise<string> {
  const hash = nodeModule("node:crypto").createHash("sha256");
  const buffer = new Uint8Array(CHUNK);
  await file.seek(start, Deno.SeekMode.Start);
  for (let left = end - start; left > 0;) {
    const count = await file.read(buffer.subarray(0, left)) ?? 0;
    if (count === 0) throw new Error("the file was truncated while it was read");
    hash.update(buffer.subarray(0, count));
    onRead(count);
    left -= count;
  }
  return hash.digest("hex");
}

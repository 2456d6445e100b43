import { nodeModule } from "../os/node_module.ts";
import type { Archive } from "../sources/manifest.ts";
import { partFault } from "../sources/safe_path.ts";
import { readTar, type TarContent, type TarEntry, TarFault } from "./read_tar.ts";

/** A file in an archive. */
export interface FileEntry {
  readonly kind: "file";
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Where its bytes begin in the archive. */
  readonly offset: number;
  /** Hex. */
  readonly sha256: string;
}

/** An entry of an archive that matters for the model. */
export type LayerEntry =
  | FileEntry
  | { readonly kind: "directory"; readonly path: string }
  /** Removes a file or folder of lower layers. */
  | { readonly kind: "whiteout"; readonly path: string }
  /** Removes everything that lower layers have in a folder. */
  | { readonly kind: "opaque"; readonly path: string };

/** An image has the model in this folder. */
export const IMAGE_FOLDER = "models";

/** Maximum number of entries, the same as for a repository. */
const MOST_ENTRIES = 100_000;

/**
 * Lists an archive's entries and hashes its files. In an image, entries outside of `/models` are skipped.
 *
 * @param chunks The uncompressed archive.
 * @throws {TarFault} a name leads outside, a link, a device, or two entries have one name.
 */
export async function layerEntries(
  chunks: AsyncIterable<Uint8Array>,
  kind: Archive["kind"],
): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  const seen = new Set<string>();
  await readTar(chunks, (entry) => {
    const path = relativeName(entry);
    if (path === "" || (kind === "image" && !concernsModel(path))) return null;
    const fault = path.split("/").map(partFault).find((one) => one !== null) ??
      (path.includes("\ufffd") ? "it is not valid Unicode" : null);
    if (fault !== null) throw new TarFault(`it names a file ${JSON.stringify(entry.name)}: ${fault}`);
    if (seen.has(path) && entry.kind !== "directory") {
      throw new TarFault(`it has ${JSON.stringify(path)} twice`);
    }
    if (entries.length === MOST_ENTRIES) throw new TarFault(`it has more than ${MOST_ENTRIES} entries`);
    seen.add(path);
    const removal = kind === "image" ? removalBy(path) : null;
    if (removal === null && entry.kind === "file" && !(kind === "image" && path === IMAGE_FOLDER)) {
      const { size, offset } = entry;
      return hashed((sha256) => entries.push({ kind: "file", path, size, offset, sha256 }));
    }
    if (removal === null && entry.kind !== "directory") {
      throw new TarFault(`${JSON.stringify(path)} is ${entry.what}`);
    }
    entries.push(removal ?? { kind: "directory", path });
    return null;
  });
  return entries;
}

/** The name without leading `./` and trailing `/`. */
function relativeName({ name }: TarEntry): string {
  if (name.startsWith("/")) throw new TarFault(`it names a file ${JSON.stringify(name)}: it is absolute`);
  const path = name.replace(/^(?:\.\/+)+/, "").replace(/\/+$/, "");
  if (path.split("/").includes("..")) {
    throw new TarFault(`it names a file ${JSON.stringify(name)}: ".." leads out of its directory`);
  }
  return path === "." ? "" : path;
}

function concernsModel(path: string): boolean {
  return path === IMAGE_FOLDER || path.startsWith(`${IMAGE_FOLDER}/`) ||
    path === `${WHITEOUT}${IMAGE_FOLDER}` || path === OPAQUE;
}

// OCI image specification, "Whiteouts".
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

function removalBy(path: string): LayerEntry | null {
  const slash = path.lastIndexOf("/");
  const [folder, name] = [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
  if (name === OPAQUE) return { kind: "opaque", path: folder };
  if (!name.startsWith(WHITEOUT)) return null;
  const gone = name.slice(WHITEOUT.length);
  return { kind: "whiteout", path: folder === "" ? gone : `${folder}/${gone}` };
}

function hashed(done: (sha256: string) => void): TarContent {
  const hash = nodeModule("node:crypto").createHash("sha256");
  return { write: (bytes) => void hash.update(bytes), end: () => done(hash.digest("hex")) };
}

import type { Archive, ManifestFile } from "../sources/manifest.ts";
import { assertSafePath } from "../sources/safe_path.ts";
import { type FileEntry, IMAGE_FOLDER, type LayerEntry } from "./layer_entries.ts";
import { TarFault } from "./read_tar.ts";

/** An archive and its entries. */
export interface Layer {
  readonly archive: Archive;
  readonly entries: readonly LayerEntry[];
}

/** A file of a model, and where its bytes are in an archive. */
export interface ArchivedFile extends ManifestFile {
  readonly archive: Archive;
  /** In the unpacked archive. */
  readonly offset: number;
}

/**
 * The files that a model's archives contain together, lowest layer first. In an image, upper layers replace what
 * is below.
 *
 * @throws {TarFault} two archives have different files of one name, or names that differ only by case.
 */
export function modelFiles(layers: readonly Layer[], source: string): ArchivedFile[] {
  const root: Folder = new Map();
  for (const layer of layers) {
    for (const entry of layer.entries) {
      if (entry.kind === "whiteout") remove(root, entry.path);
      else if (entry.kind === "opaque") clear(root, entry.path);
    }
    for (const entry of layer.entries) {
      if (entry.kind === "file" || entry.kind === "directory") place(root, entry, layer.archive);
    }
  }
  const found = [...filesIn(root, "")];
  const kind = layers[0]?.archive.kind;
  const folder = kind === "image"
    ? `${IMAGE_FOLDER}/`
    : kind === "folder"
    ? commonFolder(found.map(([path]) => path))
    : "";
  const spelled = new Map<string, string>();
  return found.map(([whole, { entry, archive }]) => {
    const path = whole.slice(folder.length);
    const other = spelled.get(path.toLowerCase());
    if (other !== undefined) {
      throw new TarFault(`${JSON.stringify(other)} and ${JSON.stringify(path)} differ only by case`);
    }
    spelled.set(path.toLowerCase(), path);
    return {
      path: assertSafePath(path, source),
      size: entry.size,
      digest: { algorithm: "sha256", hex: entry.sha256 },
      etag: entry.sha256,
      archive,
      offset: entry.offset,
    };
  });
}

interface PlacedFile {
  readonly entry: FileEntry;
  readonly archive: Archive;
}

type Folder = Map<string, Folder | PlacedFile>;

/** Puts a file into its folder; the folder itself where it is one. */
function place(root: Folder, entry: FileEntry | { kind: "directory"; path: string }, archive: Archive): void {
  const parts = entry.path.split("/");
  const name = entry.kind === "directory" ? null : parts.pop() ?? "";
  let folder = root;
  for (const part of parts) folder = folderAt(folder, part, entry.path, archive);
  if (name === null || entry.kind === "directory") return;
  const there = folder.get(name);
  if (there !== undefined) assertReplaceable(there, entry, archive);
  folder.set(name, { entry, archive });
}

function folderAt(folder: Folder, name: string, path: string, archive: Archive): Folder {
  const there = folder.get(name);
  if (there instanceof Map) return there;
  if (there !== undefined && (archive.kind !== "image" || there.archive === archive)) {
    throw new TarFault(
      `${JSON.stringify(there.entry.path)} is a file and the directory of ${JSON.stringify(path)}`,
    );
  }
  const made: Folder = new Map();
  folder.set(name, made);
  return made;
}

/** In an image, an upper layer replaces what is below; elsewhere the same file may come twice. */
function assertReplaceable(there: Folder | PlacedFile, entry: FileEntry, archive: Archive): void {
  if (!(there instanceof Map)) {
    if (there.archive !== archive && archive.kind === "image") return;
    if (there.entry.sha256 === entry.sha256) return;
    throw new TarFault(`${JSON.stringify(entry.path)} is in two layers, and differs`);
  }
  const own = [...filesIn(there, "")].some(([, file]) => file.archive === archive);
  if (archive.kind === "image" && !own) return;
  throw new TarFault(`${JSON.stringify(entry.path)} is a file and a directory`);
}

function remove(root: Folder, path: string): void {
  const slash = path.lastIndexOf("/");
  lookUp(root, path.slice(0, Math.max(0, slash)))?.delete(path.slice(slash + 1));
}

function clear(root: Folder, path: string): void {
  lookUp(root, path)?.clear();
}

function lookUp(root: Folder, path: string): Folder | null {
  let folder = root;
  for (const part of path === "" ? [] : path.split("/")) {
    const next = folder.get(part);
    if (!(next instanceof Map)) return null;
    folder = next;
  }
  return folder;
}

function* filesIn(folder: Folder, before: string): Generator<[string, PlacedFile]> {
  for (const [name, there] of folder) {
    if (there instanceof Map) yield* filesIn(there, `${before}${name}/`);
    else yield [`${before}${name}`, there];
  }
}

/** With its slash; empty where files are in different ones. */
function commonFolder(paths: readonly string[]): string {
  let folder = paths[0]?.replace(/[^/]*$/, "") ?? "";
  while (!paths.every((path) => path.startsWith(folder))) folder = folder.replace(/[^/]*\/$/, "");
  return folder;
}

import type { Archive, ManifestFile } from "../sources/manifest.ts";
import { assertSafePath } from "../sources/safe_path.ts";
import { type FileEntry, IMAGE_FOLDER, type LayerEntry } from "./layer_entries.ts";
import { TarFault } from "./tar_entries.ts";

export interface Layer {
  readonly archive: Archive;
  readonly entries: readonly LayerEntry[];
}

/** A file of a model, and its position in an archive. */
export interface ArchivedFile extends ManifestFile {
  readonly archive: Archive;
  /** In the unpacked archive. */
  readonly offset: number;
}

export function isArchived(file: ManifestFile): file is ArchivedFile {
  return "archive" in file;
}

/**
 * The files of all archives of a model. In an image, upper layers replace the files of lower ones; in other
 * artifacts, several layers may have the same file.
 *
 * @param layers Lowest first.
 * @throws {TarFault} if two archives have different files with the same name.
 */
export function modelFiles(layers: readonly Layer[], source: string): ArchivedFile[] {
  const kind = layers[0]?.archive.kind;
  const found = visibleFiles(layers, kind === "image");
  const folder = kind === "folder" ? commonFolder([...found.keys()]) : "";
  const outer = kind === "image" ? `${IMAGE_FOLDER}/` : folder;
  return [...found].map(([whole, { archive, entry: { size, sha256, offset } }]) => {
    const path = assertSafePath(whole.slice(outer.length), source);
    return { path, size, digest: { algorithm: "sha256", hex: sha256 }, etag: sha256, archive, offset };
  });
}

/** The files that no upper layer hides. */
function visibleFiles(layers: readonly Layer[], isImage: boolean) {
  const found = new Map<string, { readonly entry: FileEntry; readonly archive: Archive }>();
  /** Paths that hide lower layers' files: at the path itself, and below it. */
  const [at, below] = [new Set<string>(), new Set<string>()];
  for (const { archive, entries } of layers.toReversed()) {
    for (const entry of entries) {
      if (entry.kind !== "file") continue;
      const { path } = entry;
      const isCovered = at.has(path) || foldersOf(path).some((folder) => below.has(folder));
      if (!isCovered) found.set(path, { entry, archive });
      else if (!isImage && found.get(path)?.entry.sha256 !== entry.sha256) {
        throw new TarFault(`${JSON.stringify(path)} differs between two layers`);
      }
    }
    for (const { kind, path } of entries) {
      if (kind !== "opaque") at.add(path);
      if (kind !== "directory") below.add(path);
      if (kind === "file" || kind === "directory") { for (const folder of foldersOf(path)) at.add(folder); }
    }
  }
  return found;
}

/** All folders above a path, starting with the root (empty). */
function foldersOf(path: string): string[] {
  return ["", ...path.matchAll(/\//g).map(({ index }) => path.slice(0, index))];
}

/** The folder that contains all files, with its final slash; empty if there is none. */
function commonFolder(paths: readonly string[]): string {
  let folder = paths[0]?.replace(/[^/]*$/, "") ?? "";
  while (!paths.every((path) => path.startsWith(folder))) folder = folder.replace(/[^/]*\/$/, "");
  return folder;
}

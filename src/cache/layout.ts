import type { LayoutName } from "./types.ts";

// Names inside a model's folder. Few imports: resolving a model must start fast.

/** The folder of aim's own files. */
export const AIM_FOLDER = ".aim";
/** The record of a local directory. */
export const MANIFEST = `${AIM_FOLDER}/manifest.json`;
/**
 * Exists in a local directory during a download, and after an interrupted one. Lists the files that the
 * download does not change.
 */
export const UNFINISHED = `${AIM_FOLDER}/unfinished.json`;

/** A model on disk: a local directory, or a snapshot in the Hugging Face cache. */
export interface ModelOnDisk {
  readonly layout: LayoutName;
  /** The directory, or the snapshot. */
  readonly path: string;
}

/** The local directory, or `models--org--model`. */
export function folderOfModel({ layout, path }: ModelOnDisk): string {
  return layout === "local" ? path : path.replace(/\/snapshots\/[^/]*$/, "");
}

/** The record of a complete model: `MANIFEST`, or `.aim/COMMIT.json` of a snapshot. */
export function recordPath(model: ModelOnDisk): string {
  if (model.layout === "local") return `${model.path}/${MANIFEST}`;
  return `${folderOfModel(model)}/${AIM_FOLDER}/${nameOf(model.path)}.json`;
}

export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The folder of a path; empty for a bare name. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** A path below a folder; the folder itself for an empty path. */
export function below(folder: string, path: string): string {
  return path === "" ? folder : `${folder}/${path}`;
}

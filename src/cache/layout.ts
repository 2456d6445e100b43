import type { LayoutName } from "./types.ts";

// Names inside a model's folder. Few imports: resolving a model must start fast.

/** Folder with aim's own files of a model. */
export const AIM_FOLDER = ".aim";
/** In a local directory, written last: the model is complete. */
export const MANIFEST = `${AIM_FOLDER}/manifest.json`;
/** In a local directory, written first: a download is running or was interrupted. Lists the files that it does not change. */
export const UNFINISHED = `${AIM_FOLDER}/unfinished.json`;

/** A model on disk: a local directory, or a snapshot in the Hugging Face cache. */
export interface ModelOnDisk {
  readonly layout: LayoutName;
  /** The directory, or the snapshot. */
  readonly path: string;
}

/** A model's own folder: the local directory, or `models--org--model`. */
export function folderOfModel({ layout, path }: ModelOnDisk): string {
  return layout === "local" ? path : path.replace(/\/snapshots\/[^/]*$/, "");
}

export function recordPath(model: ModelOnDisk): string {
  return model.layout === "local"
    ? `${model.path}/${MANIFEST}`
    : snapshotRecord(folderOfModel(model), nameOf(model.path));
}

/** Path of the record of a snapshot in the Hugging Face cache. */
export function snapshotRecord(folder: string, commit: string): string {
  return `${folder}/${AIM_FOLDER}/${commit}.json`;
}

export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The folder of a path; empty for a name alone. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** A path below a folder; the folder itself for an empty path. */
export function below(folder: string, path: string): string {
  return path === "" ? folder : `${folder}/${path}`;
}

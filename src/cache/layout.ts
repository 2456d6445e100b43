// Names inside a model's folder; light, since looking a model up must start fast.

/** Name of the folder with what aim keeps of a model. */
export const AIM_FOLDER = ".aim";
/** Of a local directory; written last: the model is whole. */
export const MANIFEST = `${AIM_FOLDER}/manifest.json`;
/** Of a local directory; written first: a download is under way, or was interrupted. It lists the files that the download leaves alone. */
export const UNFINISHED = `${AIM_FOLDER}/unfinished.json`;

/** Where aim keeps what it knows of a snapshot in the Hugging Face cache. */
export function snapshotRecord(folder: string, commit: string): string {
  return `${folder}/${AIM_FOLDER}/${commit}.json`;
}

/** True for a commit's full id. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The folder part of a relative path; empty for a name alone. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

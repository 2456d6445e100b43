import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import { readRegularText } from "../os/read_regular_file.ts";

/** Information on what a path names, links followed; `null` where nothing is there. */
export async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  return await orNull(() => Deno.stat(path), path);
}

/** The same of a link itself. */
export async function lstatOrNull(path: string): Promise<Deno.FileInfo | null> {
  return await orNull(() => Deno.lstat(path), path);
}

/**
 * A text file's content; `null` where there is none.
 *
 * @throws {AimError} `integrity`: it is no regular file, or too large; `no-space`: it cannot be read.
 */
export async function readTextOrNull(path: string): Promise<string | null> {
  const read = await readRegularText(path);
  if (read.kind === "ok") return read.value;
  if (read.kind === "absent") return null;
  if (read.cause !== undefined) throw errorFrom(read.cause, `reading ${path}`);
  throw new AimError("integrity", `reading ${path}: ${read.reason}`, {
    hint: "move it away, then run again",
  });
}

async function orNull<T>(look: () => Promise<T>, path: string): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    if (isAbsence(error)) return null;
    throw errorFrom(error, `reading ${path}`);
  }
}

/** True for errors that say that nothing is at a path (also where a parent is no directory, or links go in circles). */
export function isAbsence(error: unknown): boolean {
  if (error instanceof Deno.errors.NotFound) return true;
  return ["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "");
}

/** What lies right in a folder; nothing where it is not there. */
export async function listFolder(path: string): Promise<Deno.DirEntry[]> {
  return await orNull(() => Array.fromAsync(Deno.readDir(path)), path) ?? [];
}

/** What lies below a folder. */
export interface Listing {
  /** Sizes in bytes by relative path; links to files are followed, folders behind links are not entered. */
  readonly files: ReadonlyMap<string, number>;
  /** Relative paths of all symbolic links, wherever they lead. */
  readonly links: readonly string[];
  /** Those of them that lead nowhere. */
  readonly dangling: readonly string[];
}

/** Lists what lies below a folder. A file system's own `lost+found` is no part of it: only root may read that. */
export async function listTree(
  folder: string,
  options: { skip?: (relative: string) => boolean } = {},
): Promise<Listing> {
  const files = new Map<string, number>();
  const links: string[] = [];
  const dangling: string[] = [];
  const walk = async (path: string, prefix: string): Promise<void> => {
    const entries = prefix === "" ? await listFolder(path) : await listReadable(path);
    await Promise.all(entries.map(async (entry) => {
      const relative = `${prefix}${entry.name}`;
      if (entry.isSymlink) links.push(relative);
      if (relative === "lost+found" || options.skip?.(relative)) return;
      if (entry.isDirectory) return await walk(`${path}/${entry.name}`, `${relative}/`);
      const info = await statOrNull(`${path}/${entry.name}`);
      if (info?.isFile) files.set(relative, info.size);
      if (info === null && entry.isSymlink) dangling.push(relative);
    }));
  };
  await walk(folder, "");
  return { files, links, dangling };
}

/** A folder inside a model that this user may not open (an editor's, git's): what needs a file in it will miss it. */
async function listReadable(path: string): Promise<Deno.DirEntry[]> {
  try {
    return await listFolder(path);
  } catch (error) {
    if (error instanceof AimError && error.kind === "no-space") return [];
    throw error;
  }
}

/** Files below a folder by relative path, with sizes in bytes, as {@linkcode listTree} finds them. */
export async function listFiles(
  folder: string,
  options: { skip?: (relative: string) => boolean } = {},
): Promise<ReadonlyMap<string, number>> {
  return (await listTree(folder, options)).files;
}

/** Bytes of the files below a folder, links to files followed; what aim and Python keep beside the model does not count. */
export async function directoryBytes(folder: string): Promise<number> {
  const info = await statOrNull(folder);
  if (info?.isFile) return info.size;
  let sum = 0;
  for (const size of (await listFiles(folder, { skip: isBookkeeping })).values()) sum += size;
  return sum;
}

/** Folders in a model directory that are no part of the model: aim's, Python's and the file system's. */
export function isBookkeeping(relative: string): boolean {
  return /^(?:\.aim|\.cache\/huggingface|lost\+found)(?:\/|$)/.test(relative);
}

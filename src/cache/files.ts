import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import { readRegularText } from "../os/read_regular_file.ts";

/** `stat(2)`; `null` if the path does not exist. */
export async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  return await orNull(() => Deno.stat(path), path);
}

/** `lstat(2)`; `null` if the path does not exist. */
export async function lstatOrNull(path: string): Promise<Deno.FileInfo | null> {
  return await orNull(() => Deno.lstat(path), path);
}

/**
 * The content of a text file; `null` if it does not exist.
 *
 * @throws {AimError} `integrity`: not a regular file, or too large; `no-space`: it cannot be read.
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

/** True for errors of a path that does not exist, has a file as a parent, or is a circle of links. */
export function isAbsence(error: unknown): boolean {
  if (error instanceof Deno.errors.NotFound) return true;
  return ["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "");
}

/** A folder's entries sorted by name; none if it does not exist. */
export async function entriesOf(path: string): Promise<Deno.DirEntry[]> {
  const entries = await orNull(() => Array.fromAsync(Deno.readDir(path)), path) ?? [];
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** A folder's entries; none if the path is a link. */
export async function ownEntries(path: string): Promise<Deno.DirEntry[]> {
  return (await lstatOrNull(path))?.isDirectory ? await entriesOf(path) : [];
}

/** A folder's entries; none if this user may not read it, such as a volume's `lost+found`. */
export async function readableEntries(path: string): Promise<Deno.DirEntry[]> {
  try {
    return await entriesOf(path);
  } catch (error) {
    if (error instanceof AimError && error.kind === "no-space") return [];
    throw error;
  }
}

/** The files and links below a folder, by relative path. */
export interface Listing {
  /** Sizes in bytes; links to files are followed, folders behind links are not entered. */
  readonly files: ReadonlyMap<string, number>;
  readonly links: readonly string[];
  /** Links whose target does not exist. */
  readonly dangling: readonly string[];
}

/** Lists the files below a folder, except in a file system's `lost+found`. */
export async function listTree(
  folder: string,
  options: { skip?: (relative: string) => boolean } = {},
): Promise<Listing> {
  const files = new Map<string, number>();
  const links: string[] = [];
  const dangling: string[] = [];
  const walk = async (path: string, prefix: string): Promise<void> => {
    // Subfolders may be unreadable (an editor's, git's): a model that needs their files will miss them.
    const entries = prefix === "" ? await entriesOf(path) : await readableEntries(path);
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

/** The sizes of {@linkcode listTree}. */
export async function listFiles(
  folder: string,
  options: { skip?: (relative: string) => boolean } = {},
): Promise<ReadonlyMap<string, number>> {
  return (await listTree(folder, options)).files;
}

/** Bytes of the files of a model, links followed, without those of aim and Python; or of a single file. */
export async function directoryBytes(folder: string): Promise<number> {
  const info = await statOrNull(folder);
  if (info?.isFile) return info.size;
  let sum = 0;
  for (const size of (await listFiles(folder, { skip: isBookkeeping })).values()) sum += size;
  return sum;
}

/** True for folders in a model directory that are not part of the model: aim's, Python's and the file system's. */
export function isBookkeeping(relative: string): boolean {
  return /^(?:\.aim|\.cache\/huggingface|lost\+found)(?:\/|$)/.test(relative);
}

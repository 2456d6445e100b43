import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import { below } from "./layout.ts";

export async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  return await orNull(() => Deno.stat(path), path);
}

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

/** Synchronous {@linkcode statOrNull}: ten times as fast for a path that the kernel has cached. */
export function statNow(path: string): Deno.FileInfo | null {
  return orNullNow(() => Deno.statSync(path), path);
}

function orNullNow<T>(look: () => T, path: string): T | null {
  try {
    return look();
  } catch (error) {
    if (isAbsence(error)) return null;
    throw errorFrom(error, `reading ${path}`);
  }
}

/** True for the errors of a path that does not exist, has a file as a parent, or is a loop of links. */
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

/**
 * All entries below a folder, with relative paths. Does not enter folders behind links or `lost+found`.
 *
 * @param enter Which folders to enter. @default {all}
 */
export async function* entriesBelow(
  folder: string,
  enter: (path: string) => boolean = () => true,
  prefix = "",
): AsyncGenerator<Deno.DirEntry & { readonly path: string }> {
  // Subfolders may be unreadable (an editor's, git's). If a model needs their files, they count as missing.
  const read = prefix === "" ? entriesOf : readableEntries;
  for (const entry of await read(below(folder, prefix))) {
    const path = `${prefix}${entry.name}`;
    yield { ...entry, path };
    if (entry.isDirectory && path !== "lost+found" && enter(path)) {
      yield* entriesBelow(folder, enter, `${path}/`);
    }
  }
}

/** The files and links of a model's folder, by relative path. */
export interface Listing {
  /** Sizes in bytes; links to files are followed, folders behind links are not entered. */
  readonly files: ReadonlyMap<string, number>;
  /** Links whose target does not exist. */
  readonly dangling: readonly string[];
  /**
   * Targets of links that lead out of the cache, by path; `""` is the folder itself. Through them, anyone who
   * may write to the cache could get any file of this host served.
   */
  readonly strays: ReadonlyMap<string, string>;
}

/**
 * Lists the files of a model's folder, without those of aim, Python and the file system.
 *
 * @param roots Links may point only into these folders, whose paths may contain links. @default {anywhere}
 */
export async function listTree(folder: string, roots?: readonly string[]): Promise<Listing> {
  const files = new Map<string, number>();
  const dangling: string[] = [];
  const strays = new Map<string, string>();
  const trusted = roots?.map(realPathOrNull).filter((root) => root !== null);
  const checkLink = (path: string) => {
    const target = trusted === undefined ? null : realPathOrNull(below(folder, path));
    if (target !== null && !trusted?.some((root) => isInside(target, root))) strays.set(path, target);
  };
  checkLink("");
  const entries = await Array.fromAsync(entriesBelow(folder, (path) => !isBookkeeping(path)));
  await Promise.all(entries.map(async ({ path, isDirectory, isSymlink }) => {
    if (isSymlink) checkLink(path);
    if (isDirectory || isBookkeeping(path)) return;
    const info = await statOrNull(`${folder}/${path}`);
    if (info?.isFile) files.set(path, info.size);
    if (info === null && isSymlink) dangling.push(path);
  }));
  return { files, dangling, strays };
}

export async function listFiles(folder: string): Promise<ReadonlyMap<string, number>> {
  return (await listTree(folder)).files;
}

export function sumOf(sizes: Iterable<number>): number {
  return Iterator.from(sizes).reduce((sum, size) => sum + size, 0);
}

/** True for the folders of aim, Python and the file system. */
function isBookkeeping(path: string): boolean {
  return /^(?:\.aim|\.cache\/huggingface|lost\+found)$/.test(path);
}

function realPathOrNull(path: string): string | null {
  return orNullNow(() => Deno.realPathSync(path), path);
}

function isInside(path: string, root: string): boolean {
  return root === "/" || path === root || path.startsWith(`${root}/`);
}

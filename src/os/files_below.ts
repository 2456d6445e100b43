import { basename, dirname } from "@std/path";
import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { cString, describeErrno, outcomeOf, type TreeCalls, treeCalls } from "./libc.ts";

/**
 * Files below a trusted directory.
 *
 * @param root Absolute; its own path may contain links.
 * @throws {AimError} `no-space` if the C library cannot be loaded.
 */
export function filesBelow(root: string): FilesBelow {
  const libc = treeCalls();
  if ("library" in libc) return new FilesBelow(root, libc.library);
  throw new AimError("no-space", `cannot write safely below ${root}: ${libc.refused}`, {
    hint: "run aim with --allow-ffi, on a system with glibc",
  });
}

const O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_CLOEXEC = 0o2000000, O_PATH = 0o10000000;
// The two flags that differ between x86-64 and ARM64 (asm/fcntl.h).
const [O_DIRECTORY, O_NOFOLLOW] = Deno.build.arch === "aarch64" ? [0o40000, 0o100000] : [0o200000, 0o400000];
const AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000;
const NEW_FILE = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
const STATX_INO = 0x100;
const ENOENT = 2, EEXIST = 17, ENOTDIR = 20, ELOOP = 40;

const EMPTY = new Uint8Array(1);
const STATX = new Uint8Array(256);
const STATX_VIEW = new DataView(STATX.buffer);

/** A file or directory, until it is disposed of. */
interface Opened extends Disposable {
  readonly descriptor: number;
}

/**
 * Creates, opens, renames and removes files below a directory. Paths are absolute. The directories of a path
 * are opened one after another without following links, so one that is replaced by a link at any moment is
 * refused. Throws Deno's errors.
 */
export class FilesBelow {
  readonly #root: string;
  readonly #rootForC: Uint8Array<ArrayBuffer>;
  readonly #library: TreeCalls;

  constructor(root: string, library: TreeCalls) {
    this.#root = root;
    this.#rootForC = cString(root);
    this.#library = library;
  }

  /** Creates a new empty file, opened for reading and writing. */
  create(path: string): Deno.FsFile {
    return this.#open(path, NEW_FILE);
  }

  /** Opens a file for reading and writing. */
  open(path: string): Deno.FsFile {
    return this.#open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  }

  /** Opens a file at its end, for reading and writing. Creates it if it does not exist. */
  append(path: string): Deno.FsFile {
    const file = this.#open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC);
    file.seekSync(0, Deno.SeekMode.End);
    return file;
  }

  /** Deno opens only paths: checks that it opened the same file as the call that follows no links. */
  #open(path: string, flags: number): Deno.FsFile {
    using own = this.#openAt(path, flags);
    const file = Deno.openSync(path, { read: true, write: true });
    if (file.statSync().ino === this.#inode(own.descriptor)) return file;
    file.close();
    throw linkOnTheWay(path);
  }

  /** Writes a new file, replacing any other at the path. Does not flush it. */
  write(path: string, bytes: Uint8Array<ArrayBuffer>): void {
    using file = this.#newFile(path);
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      at += this.#call(path, () => Number(this.#library.write(file.descriptor, rest, BigInt(rest.length))));
    }
  }

  rename(from: string, to: string): void {
    using source = this.#parentOf(from);
    using other = dirname(from) === dirname(to) ? null : this.#parentOf(to);
    const target = (other ?? source).descriptor;
    const name = cString(basename(to));
    this.#call(from, () => this.#library.renameat(source.descriptor, source.name, target, name));
  }

  /** Removes a file if it exists. */
  remove(path: string): void {
    try {
      using parent = this.#parentOf(path);
      this.#call(path, () => this.#library.unlinkat(parent.descriptor, parent.name, 0));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  symlink(target: string, path: string): void {
    using parent = this.#parentOf(path);
    const to = cString(target);
    this.#call(path, () => this.#library.symlinkat(to, parent.descriptor, parent.name));
  }

  /** Makes a hard link to a file, inside or outside the root. Does not follow `from`. */
  link(from: string, path: string): void {
    using parent = this.#parentOf(path);
    const file = cString(from);
    this.#call(path, () => this.#library.linkat(AT_FDCWD, file, parent.descriptor, parent.name, 0));
  }

  /** Makes a directory and its parents below the root. None of them may be a link. */
  makeDirectory(path: string): void {
    this.#openDirectory(path, namesBelow(this.#root, path), true)[Symbol.dispose]();
  }

  /** The opened parent directory of a path, and the path's last name. */
  #parentOf(path: string): Opened & { readonly name: Uint8Array } {
    const names = namesBelow(this.#root, path);
    const name = cString(names.pop() ?? "");
    return { ...this.#openDirectory(path, names, false), name };
  }

  #openAt(path: string, flags: number): Opened {
    using parent = this.#parentOf(path);
    return this.#opened(
      this.#call(path, () => this.#library.openat(parent.descriptor, parent.name, flags, 0o666)),
    );
  }

  #newFile(path: string): Opened {
    try {
      return this.#openAt(path, NEW_FILE);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      // It may be a link, or have a hard link in another directory.
      this.remove(path);
      return this.#openAt(path, NEW_FILE);
    }
  }

  /** Opens the directory of these names below the root, one after another. */
  #openDirectory(path: string, names: readonly string[], make: boolean): Opened {
    const { openat, mkdirat, close } = this.#library;
    const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    let directory = this.#call(this.#root, () => openat(AT_FDCWD, this.#rootForC, flags, 0));
    let at = this.#root;
    for (const name of names) {
      at = `${at}/${name}`;
      const [above, nameForC] = [directory, cString(name)];
      try {
        const made = make ? outcomeOf(this.#library, () => mkdirat(above, nameForC, 0o777)) : 0;
        if (made < 0 && made !== -EEXIST) throw this.#failure(at, made);
        directory = outcomeOf(this.#library, () => openat(above, nameForC, flags | O_NOFOLLOW, 0));
      } finally {
        close(above);
      }
      if (directory === -ENOTDIR || directory === -ELOOP) throw linkOnTheWay(at);
      if (directory < 0) throw this.#failure(path, directory);
    }
    return this.#opened(directory);
  }

  #opened(descriptor: number): Opened {
    return { descriptor, [Symbol.dispose]: () => void this.#library.close(descriptor) };
  }

  #inode(descriptor: number): number {
    // struct statx is the same on all architectures: stx_ino is at 32.
    if (this.#library.statx(descriptor, EMPTY, AT_EMPTY_PATH, STATX_INO, STATX) < 0) return NaN;
    return Number(STATX_VIEW.getBigUint64(32, true));
  }

  /** The result of a call that changes nothing when it fails. */
  #call(path: string, call: () => number): number {
    const result = outcomeOf(this.#library, call);
    if (result < 0) throw this.#failure(path, result);
    return result;
  }

  /** @param outcome A negative errno. */
  #failure(path: string, outcome: number): Error {
    const message = `${describeErrno(this.#library, -outcome)} (os error ${-outcome}): ${path}`;
    if (outcome === -ELOOP) return linkOnTheWay(path);
    if (outcome === -ENOENT) return new Deno.errors.NotFound(message);
    return outcome === -EEXIST ? new Deno.errors.AlreadyExists(message) : new Error(message);
  }
}

/**
 * Makes directories below a root, with all their parents. None of them may be a link: a planted link must not
 * lead out of the root.
 *
 * @param root Absolute and trusted; made if missing.
 * @param directories Absolute, below the root or the root itself.
 * @throws {AimError} `no-space`, naming the link or the directory that cannot be made.
 */
export function makeDirectories(root: string, directories: Iterable<string>): void {
  const files = filesBelow(root);
  try {
    Deno.mkdirSync(root, { recursive: true });
    for (const directory of directories) if (directory !== root) files.makeDirectory(directory);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw linkOnTheWay(root);
    throw errorFrom(error, `making directories below ${root}`);
  }
}

function namesBelow(root: string, path: string): string[] {
  const prefix = root === "/" ? "/" : `${root}/`;
  const names = path.startsWith(prefix) ? path.slice(prefix.length).split("/") : [];
  if (names.length > 0 && names.every((name) => !["", ".", ".."].includes(name))) return names;
  throw new AimError("unexpected", `${path} is not below ${root}`);
}

function linkOnTheWay(path: string): AimError {
  const message = `${path} is a symbolic link or not a directory: nothing is written through it`;
  return new AimError("no-space", message, { hint: "remove it, or mount the volume there instead" });
}

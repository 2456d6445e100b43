import { dirname } from "@std/path";
import { AimError } from "../errors/aim_error.ts";
import { cString, describeErrno, outcomeOf, type TreeCalls, treeCalls } from "./libc.ts";

/**
 * Files below a trusted directory.
 *
 * @param root Absolute; its own path may have links.
 * @throws {AimError} `no-space` if the C library cannot be loaded.
 */
export function filesBelow(root: string): FilesBelow {
  const libc = treeCalls();
  if ("library" in libc) return new FilesBelow(root, libc.library);
  throw new AimError("no-space", `nothing can be written safely below ${root}: ${libc.refused}`, {
    hint: "run aim with --allow-ffi, on a system with glibc",
  });
}

const O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_CLOEXEC = 0o2000000, O_PATH = 0o10000000;
// The two flags that differ between x86-64 and ARM64 (asm/fcntl.h).
const [O_DIRECTORY, O_NOFOLLOW] = Deno.build.arch === "aarch64" ? [0o40000, 0o100000] : [0o200000, 0o400000];
const AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000;
const O_PARENT = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
/** The same number on all architectures; glibc has no function for it. */
const SYS_openat2 = 437n;
/** struct open_how: flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS. */
const OPEN_PARENT = new BigUint64Array([BigInt(O_PARENT), 0n, 0x08n | 0x04n]);
const NEW_FILE = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
const STATX_INO = 0x100;
const ENOENT = 2, EEXIST = 17, ENOTDIR = 20, ELOOP = 40;

const EMPTY = new Uint8Array(1);
const STATX = new Uint8Array(256);
const STATX_VIEW = new DataView(STATX.buffer);

/**
 * Creates, opens, renames and removes files below a directory. Paths are absolute. A file's parent is opened without
 * following links, by openat2(2) or directory by directory, so a directory that is swapped for a link at any moment
 * leads nowhere. Throws Deno's errors.
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

  /** Creates a new file with this content, which is not flushed. */
  write(path: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.#inParent(path, (parent, name) => {
      const file = this.#call(path, () => this.#library.openat(parent, name, NEW_FILE, 0o666));
      try {
        for (let at = 0; at < bytes.length;) {
          const rest = bytes.subarray(at);
          at += this.#call(path, () => Number(this.#library.write(file, rest, BigInt(rest.length))));
        }
      } finally {
        this.#library.close(file);
      }
    });
  }

  /** Opens a file for reading and writing. */
  open(path: string): Deno.FsFile {
    return this.#open(path, O_PATH);
  }

  /** Deno can only open a path: the file must be the one that was opened without following links. */
  #open(path: string, flags: number): Deno.FsFile {
    return this.#inParent(path, (parent, name) => {
      const descriptor = this.#call(
        path,
        () => this.#library.openat(parent, name, flags | O_NOFOLLOW | O_CLOEXEC, 0o666),
      );
      try {
        const file = Deno.openSync(path, { read: true, write: true });
        if (file.statSync().ino === this.#inode(descriptor)) return file;
        file.close();
        throw linkOnTheWay(path);
      } finally {
        this.#library.close(descriptor);
      }
    });
  }

  rename(from: string, to: string): void {
    this.#inParent(from, (fromParent, fromName) => {
      const rename = (toParent: number, toName: Uint8Array) => {
        this.#call(from, () => this.#library.renameat(fromParent, fromName, toParent, toName));
      };
      if (dirname(from) === dirname(to)) rename(fromParent, cString(namesBelow(this.#root, to).pop() ?? ""));
      else this.#inParent(to, rename);
    });
  }

  /** Removes a file if it exists. */
  remove(path: string): void {
    try {
      this.#inParent(path, (parent, name) => this.#call(path, () => this.#library.unlinkat(parent, name, 0)));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Makes a directory if it does not exist. Its parent must exist. */
  makeDirectory(path: string): void {
    this.#inParent(path, (parent, name) => {
      const made = outcomeOf(this.#library, () => this.#library.mkdirat(parent, name, 0o777));
      if (made >= 0) return;
      if (made !== -EEXIST) throw this.#failure(path, made);
      const descriptor = outcomeOf(this.#library, () => this.#library.openat(parent, name, O_PARENT, 0));
      if (descriptor < 0) throw this.#failure(path, descriptor, path);
      this.#library.close(descriptor);
    });
  }

  symlink(target: string, path: string): void {
    const to = cString(target);
    this.#inParent(path, (parent, name) => this.#call(path, () => this.#library.symlinkat(to, parent, name)));
  }

  /** Makes a hard link to a file anywhere; does not follow `from`. */
  link(from: string, path: string): void {
    const file = cString(from);
    this.#inParent(
      path,
      (parent, name) => this.#call(path, () => this.#library.linkat(AT_FDCWD, file, parent, name, 0)),
    );
  }

  /** Calls `run` with the opened parent of a path. */
  #inParent<T>(path: string, run: (parent: number, name: Uint8Array) => T): T {
    const names = namesBelow(this.#root, path);
    const name = cString(names.pop() ?? "");
    const parent = this.#openParent(path, names);
    try {
      return run(parent, name);
    } finally {
      this.#library.close(parent);
    }
  }

  #openParent(path: string, names: readonly string[]): number {
    const library = this.#library;
    const root = this.#call(
      this.#root,
      () => library.openat(AT_FDCWD, this.#rootForC, O_PATH | O_DIRECTORY | O_CLOEXEC, 0),
    );
    if (names.length === 0) return root;
    const parent = Number(library.syscall(SYS_openat2, root, cString(names.join("/")), OPEN_PARENT, 24n));
    if (parent < 0) return this.#walk(path, root, names);
    library.close(root);
    return parent;
  }

  /** For kernels without openat2, and to find out which directory is a link. */
  #walk(path: string, root: number, names: readonly string[]): number {
    let [directory, at] = [root, this.#root];
    for (const name of names) {
      at = `${at}/${name}`;
      const here = directory;
      const next = outcomeOf(this.#library, () => this.#library.openat(here, cString(name), O_PARENT, 0));
      this.#library.close(directory);
      if (next < 0) throw this.#failure(path, next, at);
      directory = next;
    }
    return directory;
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

  /**
   * @param outcome A negative errno.
   * @param directory The directory on the way that could not be opened.
   */
  #failure(path: string, outcome: number, directory?: string): Error {
    const errno = -outcome;
    if (directory !== undefined && (errno === ENOTDIR || errno === ELOOP)) return linkOnTheWay(directory);
    const message = `${describeErrno(this.#library, errno)} (os error ${errno}): ${path}`;
    if (errno === ENOENT) return new Deno.errors.NotFound(message);
    return errno === EEXIST ? new Deno.errors.AlreadyExists(message) : new Error(message);
  }
}

function namesBelow(root: string, path: string): string[] {
  const prefix = root === "/" ? "/" : `${root}/`;
  const names = path.startsWith(prefix) ? path.slice(prefix.length).split("/") : [];
  if (names.length > 0 && names.every((name) => !["", ".", ".."].includes(name))) return names;
  throw new AimError("unexpected", `${path} is not below ${root}`);
}

export function linkOnTheWay(path: string): AimError {
  const message = `${path} is a symbolic link or not a directory: nothing is written through it`;
  return new AimError("no-space", message, { hint: "remove it, or mount the volume there instead" });
}

import { AimError } from "../errors/aim_error.ts";

// `memcpy` copies errno: Deno reads pointers only with ffi permission, which most commands revoke at start.
const ERRORS = {
  __errno_location: { parameters: [], result: "pointer" },
  // glibc's name for POSIX's strerror_r.
  __xpg_strerror_r: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  memcpy: { parameters: ["buffer", "pointer", "usize"], result: "pointer" },
} as const;

const FILES = {
  ...ERRORS,
  close: { parameters: ["i32"], result: "i32" },
  closedir: { parameters: ["pointer"], result: "i32" },
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  opendir: { parameters: ["buffer"], result: "pointer" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  readdir: { parameters: ["pointer"], result: "pointer" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  // Since glibc 2.28. Its structure is the same on all architectures.
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32", optional: true },
} as const;

const TREE = {
  ...ERRORS,
  close: { parameters: ["i32"], result: "i32" },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  renameat: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
} as const;

const PROCESS = {
  ...ERRORS,
  // Since glibc 2.34.
  close_range: { parameters: ["u32", "u32", "i32"], result: "i32", optional: true },
  execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32", optional: true },
  signal: { parameters: ["i32", "pointer"], result: "pointer" },
  statfs: { parameters: ["buffer", "buffer"], result: "i32" },
  sigprocmask: { parameters: ["i32", "buffer", "pointer"], result: "i32" },
} as const;

/**
 * The C library, for what Deno cannot do: replace the process, and read files under `/sys`, `/proc` and
 * `/dev`. Split by purpose, since loading each function takes 0.1 ms. Requires `--allow-ffi`.
 */
export const fileCalls = loader(FILES);
/** For {@linkcode filesBelow}. */
export const treeCalls = loader(TREE);
export const processCalls = loader(PROCESS);

/** The library's functions, or why they cannot be loaded (no permission, another C library). */
export type Loaded<L> = { readonly library: L } | { readonly refused: string };

type Symbols<S extends Deno.ForeignLibraryInterface> = Deno.DynamicLibrary<S>["symbols"];
type Errors = Symbols<typeof ERRORS>;
export type FileCalls = Symbols<typeof FILES>;
export type TreeCalls = Symbols<typeof TREE>;
export type ProcessCalls = Symbols<typeof PROCESS>;

function loader<S extends Deno.ForeignLibraryInterface>(symbols: S): () => Loaded<Symbols<S>> {
  let loaded: Loaded<Symbols<S>> | undefined;
  return () => {
    try {
      return loaded ??= { library: Deno.dlopen("libc.so.6", symbols).symbols };
    } catch (error) {
      return loaded = { refused: error instanceof Error ? error.message : String(error) };
    }
  };
}

const ERRNO = new Int32Array(1);
let errnoLocation: Deno.PointerValue | undefined;

/** `errno` of the last call. Allocates nothing, since a garbage collection could change it. */
export function lastErrno(library: Errors): number {
  errnoLocation ??= library.__errno_location();
  library.memcpy(ERRNO, errnoLocation, 4n);
  return ERRNO[0] ?? 0;
}

/**
 * The result of a call, or a negative errno. A call that fails is repeated until it fails the same way twice
 * in a row: the runtime's own calls may change errno before it is read. Only for calls that change nothing
 * when they fail.
 */
export function outcomeOf(library: Errors, call: () => number): number {
  for (let before = 0;;) {
    const result = call();
    if (result >= 0) return result;
    const errno = lastErrno(library);
    if (errno === before) return -errno;
    before = errno;
  }
}

/** `strerror(3)`. */
export function describeErrno(library: Errors, errno: number): string {
  const text = new Uint8Array(256);
  library.__xpg_strerror_r(errno, text, BigInt(text.length));
  return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
}

const encoder = new TextEncoder();

/** Text as a C string. @throws {AimError} `usage` if it contains NUL. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new AimError("usage", `${JSON.stringify(text)} contains NUL and cannot be passed to a program`, {
      hint: "remove the NUL character",
    });
  }
  return encoder.encode(`${text}\0`);
}

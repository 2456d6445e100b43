import { AimError } from "../errors/aim_error.ts";

/** What every use of the library takes: nothing may come between a call and its errno. */
const ERRORS = {
  __errno_location: { parameters: [], result: "pointer" },
  strerror: { parameters: ["i32"], result: "pointer" },
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
  // Since glibc 2.28. The one stat whose structure is the same on all architectures.
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32", optional: true },
} as const;

const PROCESS = {
  ...ERRORS,
  // Since glibc 2.34.
  close_range: { parameters: ["u32", "u32", "i32"], result: "i32", optional: true },
  execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  signal: { parameters: ["i32", "pointer"], result: "pointer" },
  sigprocmask: { parameters: ["i32", "buffer", "pointer"], result: "i32" },
} as const;

/**
 * The C library, for what Deno has no way to do: become another program, and read files under `/sys`, `/proc` and `/dev`
 * (Deno's file APIs refuse those to every permission set short of all). By purpose: each function takes Deno a tenth of a
 * millisecond. Requires `--allow-ffi`.
 */
export const fileCalls = loader(FILES);
export const processCalls = loader(PROCESS);

/** The library's functions, or why they cannot be had (no permission, another C library). */
export type Loaded<L> = { readonly library: L } | { readonly refused: string };

type Symbols<S extends Deno.ForeignLibraryInterface> = Deno.DynamicLibrary<S>["symbols"];
type Errors = Symbols<typeof ERRORS>;
export type FileCalls = Symbols<typeof FILES>;
export type ProcessCalls = Symbols<typeof PROCESS>;

function loader<S extends Deno.ForeignLibraryInterface>(symbols: S): () => Loaded<Symbols<S>> {
  let loaded: Loaded<Symbols<S>> | undefined;
  return () => loaded ??= load(symbols);
}

function load<S extends Deno.ForeignLibraryInterface>(symbols: S): Loaded<Symbols<S>> {
  try {
    return { library: Deno.dlopen("libc.so.6", symbols).symbols };
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
}

/** `errno` of the last call. */
export function lastErrno(library: Errors): number {
  const pointer = library.__errno_location();
  return pointer === null ? 0 : new Deno.UnsafePointerView(pointer).getInt32();
}

/** `strerror(3)`. */
export function describeErrno(library: Errors, errno: number): string {
  const pointer = library.strerror(errno);
  return pointer === null ? `error ${errno}` : new Deno.UnsafePointerView(pointer).getCString();
}

/**
 * Text as C has it: UTF-8 with a NUL at its end.
 *
 * @throws {AimError} `usage` where it holds NUL itself.
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new AimError("usage", `${JSON.stringify(text)} holds NUL and cannot be given to a program`);
  }
  const bytes = new TextEncoder().encode(`${text}\0`);
  return new Uint8Array(bytes);
}

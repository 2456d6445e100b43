import { AimError } from "../errors/mod.ts";

/**
 * The C library, for what Deno has no way to do: become another program, and read files under `/sys`, `/proc` and `/dev`
 * (Deno's file APIs refuse those to every permission set short of all). Requires `--allow-ffi`.
 */
const SYMBOLS = {
  __errno_location: { parameters: [], result: "pointer" },
  access: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  closedir: { parameters: ["pointer"], result: "i32" },
  execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  opendir: { parameters: ["buffer"], result: "pointer" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  readdir: { parameters: ["pointer"], result: "pointer" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  signal: { parameters: ["i32", "pointer"], result: "pointer" },
  sigprocmask: { parameters: ["i32", "buffer", "pointer"], result: "i32" },
  strerror: { parameters: ["i32"], result: "pointer" },
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let loaded: { library: Library } | { refused: string } | undefined;

/** The library's functions, or why they cannot be had (no permission, another C library). */
export function loadLibc(): { readonly library: Library } | { readonly refused: string } {
  if (loaded === undefined) {
    try {
      loaded = { library: Deno.dlopen("libc.so.6", SYMBOLS).symbols };
    } catch (error) {
      loaded = { refused: error instanceof Error ? error.message : String(error) };
    }
  }
  return loaded;
}

/** A system call that failed. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  readonly errno: number;
  constructor(call: string, path: string, errno: number) {
    super(`${call} ${path}: ${describeErrno(errno)}`);
    this.errno = errno;
  }
}

/** `errno` of the last call. */
export function lastErrno(library: Library): number {
  const pointer = library.__errno_location();
  return pointer === null ? 0 : new Deno.UnsafePointerView(pointer).getInt32();
}

/** `strerror(3)`. */
export function describeErrno(errno: number): string {
  const libc = loadLibc();
  const pointer = "library" in libc ? libc.library.strerror(errno) : null;
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

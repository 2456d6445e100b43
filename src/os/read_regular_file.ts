import { errnoOf } from "../errors/from_unknown.ts";

/**
 * The value that was read, or why there is none: `absent` if the path does not exist. The reason is a clause.
 */
export type Read<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "absent"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string; readonly cause?: unknown };

export const ABSENT = { kind: "absent", reason: "no such file" } as const;

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes: more than the index of the largest models (10 MB) or a record of 100,000 files (30 MB). */
const LIMIT = 64 * 1024 * 1024;

/**
 * Reads the text of a regular file, following links. A FIFO, device, socket or directory is refused before it
 * is opened, since opening a FIFO waits for a writer; so is a file above `limit` bytes. If a FIFO is swapped
 * in after the check, only a thread waits, and signals still end the program. Never throws. Requires
 * `--allow-read`.
 *
 * @param limit In bytes.
 */
export async function readRegularText(path: string, limit: number = LIMIT): Promise<Read<string>> {
  try {
    const refusal = refused(await Deno.stat(path), limit);
    if (refusal !== null) return refusal;
    using file = await Deno.open(path);
    return asText(readOpened(file, limit));
  } catch (error) {
    return failure(error);
  }
}

/**
 * Synchronous {@linkcode readRegularText}, which is faster: a FIFO that is swapped in after the check blocks
 * the program.
 */
export function readRegularTextSync(path: string, limit?: number): Read<string> {
  return asText(readRegularFileSync(path, limit));
}

/** The bytes of {@linkcode readRegularTextSync}. */
export function readRegularFileSync(path: string, limit: number = LIMIT): Read<Bytes> {
  try {
    const refusal = refused(Deno.statSync(path), limit);
    if (refusal !== null) return refusal;
    using file = Deno.openSync(path);
    return readOpened(file, limit);
  } catch (error) {
    return failure(error);
  }
}

/**
 * Reads up to the limit. Checks the opened file again, since it may not be the one that was checked, and may
 * grow.
 */
function readOpened(file: Deno.FsFile, limit: number): Read<Bytes> {
  const info = file.statSync();
  const refusal = refused(info, limit);
  if (refusal !== null) return refusal;
  // One byte more than the size, so that the last read finds the end.
  let bytes = new Uint8Array(info.size + 1);
  let used = 0;
  for (;;) {
    const read = file.readSync(bytes.subarray(used)) ?? 0;
    used += read;
    if (read === 0) return { kind: "ok", value: bytes.subarray(0, used) };
    if (used > limit) return tooLarge(limit);
    if (used < bytes.length) continue;
    const larger = new Uint8Array(Math.min(used * 2 + 4096, limit + 1));
    larger.set(bytes);
    bytes = larger;
  }
}

function asText(read: Read<Bytes>): Read<string> {
  return read.kind === "ok" ? { kind: "ok", value: new TextDecoder().decode(read.value) } : read;
}

function refused(info: Deno.FileInfo, limit: number): Read<never> | null {
  if (!info.isFile) return { kind: "failed", reason: `it is ${typeOf(info)}, not a regular file` };
  return info.size > limit ? tooLarge(limit) : null;
}

function typeOf(info: Deno.FileInfo): string {
  if (info.isDirectory) return "a directory";
  if (info.isFifo) return "a named pipe";
  return info.isSocket ? "a socket" : "a device";
}

function tooLarge(limit: number): Read<never> {
  return { kind: "failed", reason: `it has more than ${limit} bytes` };
}

function failure(error: unknown): Read<never> {
  if (error instanceof Deno.errors.NotFound || ["ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) {
    return ABSENT;
  }
  return {
    kind: "failed",
    reason: error instanceof Error ? error.message : String(error),
    cause: error,
  };
}

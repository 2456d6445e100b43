import { errnoOf } from "../errors/from_unknown.ts";
import type { Read } from "./read.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Above the index of the largest models (10 MB) and a record of 100,000 files (30 MB). */
const LIMIT = 64 * 1024 * 1024;

/**
 * Reads a regular file whole; links are followed. A FIFO, device, socket or directory is refused before it is opened, since opening a
 * FIFO waits for a writer; so is a file above `limit` bytes. Should a FIFO be swapped in between the look and the opening, only a
 * thread waits: signals still end the program. Never throws. Requires `--allow-read`.
 *
 * @param limit In bytes.
 */
export async function readRegularFile(path: string, limit: number = LIMIT): Promise<Read<Bytes>> {
  try {
    const refusal = refused(await Deno.stat(path), limit);
    if (refusal !== null) return refusal;
    using file = await Deno.open(path);
    const buffer = new Growing(await file.stat(), limit);
    while (buffer.add(await file.read(buffer.free()))) { /* until the file ends */ }
    return buffer.result();
  } catch (error) {
    return failure(error);
  }
}

/** {@linkcode readRegularFile}, for files that the operator named: here a FIFO that is swapped in would be waited for. */
export function readRegularFileSync(path: string, limit: number = LIMIT): Read<Bytes> {
  try {
    const refusal = refused(Deno.statSync(path), limit);
    if (refusal !== null) return refusal;
    using file = Deno.openSync(path);
    const buffer = new Growing(file.statSync(), limit);
    while (buffer.add(file.readSync(buffer.free()))) { /* until the file ends */ }
    return buffer.result();
  } catch (error) {
    return failure(error);
  }
}

/** The text of {@linkcode readRegularFile}. */
export async function readRegularText(path: string, limit?: number): Promise<Read<string>> {
  return asText(await readRegularFile(path, limit));
}

/** The text of {@linkcode readRegularFileSync}. */
export function readRegularTextSync(path: string, limit?: number): Read<string> {
  return asText(readRegularFileSync(path, limit));
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
    return { kind: "absent" };
  }
  return {
    kind: "failed",
    reason: error instanceof Error ? error.message : String(error),
    cause: error,
  };
}

/** Bytes read so far. The file may grow or be another one than was looked at, so the bound holds while reading. */
class Growing {
  readonly #limit: number;
  readonly #refusal: Read<never> | null;
  #bytes: Bytes;
  #used = 0;

  constructor(info: Deno.FileInfo, limit: number) {
    this.#limit = limit;
    this.#refusal = refused(info, limit);
    // One byte more than the size: the read after the last byte then finds the end.
    this.#bytes = new Uint8Array(this.#refusal === null ? info.size + 1 : 0);
  }

  free(): Bytes {
    if (this.#refusal === null && this.#used === this.#bytes.length) {
      const larger = new Uint8Array(Math.min(this.#used * 2 + 4096, this.#limit + 1));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return this.#bytes.subarray(this.#used);
  }

  /** @returns Whether there may be more. */
  add(count: number | null): boolean {
    this.#used += count ?? 0;
    return count !== null && count > 0 && this.#used <= this.#limit;
  }

  result(): Read<Bytes> {
    if (this.#refusal !== null) return this.#refusal;
    return this.#used > this.#limit
      ? tooLarge(this.#limit)
      : { kind: "ok", value: this.#bytes.subarray(0, this.#used) };
  }
}

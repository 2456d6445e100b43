/** One entry of a tar archive. */
export interface TarEntry {
  readonly kind: "file" | "directory" | "other";
  /** What it is, for messages: `a symbolic link`. */
  readonly what: string;
  /** As in the archive. */
  readonly name: string;
  /** Bytes of content. */
  readonly size: number;
  /** Offset of the content in the archive. */
  readonly offset: number;
}

/** An archive that is damaged or uses an unsupported feature. The message is one clause. */
export class TarFault extends Error {
  override readonly name = "TarFault";
}

/** Called for each entry. Returns who takes the content, or `null` to skip it. */
export type TarVisitor = (entry: TarEntry) => TarContent | null;

/** Takes an entry's content. */
export interface TarContent {
  /** The bytes are valid during the call only. */
  write(bytes: Uint8Array): void;
  end(): void;
}

/**
 * Reads a tar archive: POSIX (ustar, pax) and GNU (long names, sizes above 8 GiB). Strict: a wrong checksum, a
 * sparse file, a global header that renames files, a missing end mark and data after it are refused.
 *
 * @throws {TarFault} the archive is damaged or uses an unsupported feature. Rethrows what the visitor throws.
 */
export async function readTar(chunks: AsyncIterable<Uint8Array>, visit: TarVisitor): Promise<void> {
  const parser = new TarParser(visit);
  for await (const chunk of chunks) parser.push(chunk);
  parser.end();
}

const BLOCK = 512;
/** Maximum bytes of an extended header. A path has at most 4096, and there are few other records. */
const LARGEST_EXTENSION = 1 << 20;
/** Linux's limit for a path. */
const LONGEST_NAME = 4096;

/** Type flags (POSIX.1-2017, pax; and GNU's). */
const FILES = new Set(["0", "\0", "7"]);
const OTHERS: Readonly<Record<string, string>> = {
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a character device",
  "4": "a block device",
  "6": "a FIFO",
};
const EXTENSIONS: Readonly<Record<string, string>> = {
  x: "pax",
  g: "global pax",
  L: "GNU long name",
  K: "GNU long link name",
};

class TarParser {
  readonly #visit: TarVisitor;
  readonly #header = new Uint8Array(BLOCK);
  #filled = 0;
  /** Position in the archive. */
  #offset = 0;
  /** Bytes of content, then of padding, still to be read. */
  #content = 0;
  #padding = 0;
  #taker: TarContent | null = null;
  /** From an extended header, for the next entry. */
  #name: string | null = null;
  #size: number | null = null;
  #extended = false;
  /** Blocks of zeros, which end the archive. */
  #zeros = 0;

  constructor(visit: TarVisitor) {
    this.#visit = visit;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const rest = chunk.length - at;
      let taken: number;
      if (this.#content > 0) {
        taken = Math.min(rest, this.#content);
        this.#taker?.write(chunk.subarray(at, at + taken));
        this.#content -= taken;
        if (this.#content === 0) this.#endContent();
      } else if (this.#padding > 0) {
        taken = Math.min(rest, this.#padding);
        this.#padding -= taken;
      } else {
        taken = Math.min(rest, BLOCK - this.#filled);
        this.#header.set(chunk.subarray(at, at + taken), this.#filled);
        this.#filled += taken;
      }
      at += taken;
      this.#offset += taken;
      if (this.#filled === BLOCK) {
        this.#filled = 0;
        this.#read(this.#header);
      }
    }
  }

  end(): void {
    const whole = this.#zeros > 0 && this.#filled + this.#content + this.#padding === 0;
    if (!whole) throw new TarFault(`it is cut off after ${this.#offset} bytes`);
  }

  #endContent(): void {
    const taker = this.#taker;
    this.#taker = null;
    taker?.end();
  }

  #read(header: Uint8Array): void {
    if (header.every((byte) => byte === 0)) {
      this.#zeros++;
      return;
    }
    if (this.#zeros > 0) throw new TarFault("there is data after its end");
    checkSum(header);
    const type = String.fromCharCode(header[156] ?? 0);
    const size = this.#size ?? numberIn(header, 124, 12);
    if (size > Number.MAX_SAFE_INTEGER - this.#offset) throw new TarFault(`an entry has ${size} bytes`);
    const extension = EXTENSIONS[type];
    if (extension !== undefined) return this.#extend(type, extension, numberIn(header, 124, 12));
    const name = this.#name ?? nameIn(header);
    [this.#name, this.#size, this.#extended] = [null, null, false];
    if (name.length > LONGEST_NAME) throw new TarFault(`a name has ${name.length} characters`);
    if (type === "S") throw sparse(name);
    const isFolder = type === "5" || (type === "\0" && name.endsWith("/"));
    const kind = isFolder ? "directory" : FILES.has(type) ? "file" : "other";
    const what = OTHERS[type] ??
      (kind === "other" ? `of the unknown type ${JSON.stringify(type)}` : `a ${kind}`);
    const holds = kind === "file" || (kind === "other" && OTHERS[type] === undefined) ? size : 0;
    this.#begin(holds, this.#visit({ kind, what, name, size: holds, offset: this.#offset }));
  }

  #begin(size: number, taker: TarContent | null): void {
    this.#content = size;
    this.#padding = (BLOCK - size % BLOCK) % BLOCK;
    this.#taker = taker;
    if (size === 0) this.#endContent();
  }

  /** Reads a header that describes the next entry. */
  #extend(type: string, what: string, size: number): void {
    if (size > LARGEST_EXTENSION) throw new TarFault(`a ${what} header has ${size} bytes`);
    if (type === "x" && this.#extended) throw new TarFault("two pax headers follow each other");
    this.#extended ||= type === "x";
    const bytes = new Uint8Array(size);
    let at = 0;
    this.#begin(size, {
      write(chunk) {
        bytes.set(chunk, at);
        at += chunk.length;
      },
      end: () => {
        if (type === "L") this.#name = text(untilNul(bytes));
        if (type === "x" || type === "g") this.#records(paxRecords(bytes), type === "g");
      },
    });
  }

  #records(records: ReadonlyMap<string, string>, global: boolean): void {
    const [path, size] = [records.get("path"), records.get("size")];
    if ([...records.keys()].some((key) => key.startsWith("GNU.sparse"))) throw sparse(path ?? "");
    if (global && (path !== undefined || size !== undefined)) {
      throw new TarFault("a global pax header names or sizes files");
    }
    if (path !== undefined) this.#name = path;
    if (size === undefined) return;
    if (!/^\d{1,16}$/.test(size)) throw new TarFault(`a pax size is ${JSON.stringify(size)}`);
    this.#size = Number(size);
  }
}

function sparse(name: string): TarFault {
  return new TarFault(`${JSON.stringify(name)} is a sparse file`);
}

/** Checks the sum of a header's bytes, with its own field counted as spaces. */
function checkSum(header: Uint8Array): void {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (numberIn(header, 148, 8) !== sum) throw new TarFault("a header's checksum is wrong");
}

/** Octal digits or, if the first bit is set, a big-endian number (GNU). */
function numberIn(header: Uint8Array, at: number, length: number): number {
  const field = header.subarray(at, at + length);
  const first = field[0] ?? 0;
  if (first === 0x80) return field.subarray(1).reduce((value, byte) => value * 256 + byte, 0);
  const digits = text(untilNul(field)).trim();
  if (first > 0x7f || !/^[0-7]*$/.test(digits)) throw new TarFault("a header has an invalid number");
  return digits === "" ? 0 : parseInt(digits, 8);
}

/** The name. POSIX has a separate field for the beginning of a long one. */
function nameIn(header: Uint8Array): string {
  const name = text(untilNul(header.subarray(0, 100)));
  const isPosix = text(header.subarray(257, 263)) === "ustar\0";
  const prefix = isPosix ? text(untilNul(header.subarray(345, 500))) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** Records of the form `LENGTH KEY=VALUE\n`; the length includes itself. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const digits = /^(\d{1,7}) /.exec(text(bytes.subarray(at, at + 8)))?.[1];
    const end = at + Number(digits ?? 0);
    const record = bytes.subarray(at + (digits?.length ?? 0) + 1, end - 1);
    const equals = record.indexOf(0x3d);
    if (digits === undefined || end > bytes.length || bytes[end - 1] !== 0x0a || equals < 1) {
      throw new TarFault("a pax header is damaged");
    }
    records.set(text(record.subarray(0, equals)), text(record.subarray(equals + 1)));
    at = end;
  }
  return records;
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

const decoder = new TextDecoder();

/** Invalid UTF-8 becomes U+FFFD, which names may not contain. */
function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

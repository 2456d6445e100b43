export interface TarEntry {
  /** Its type in words, also for messages: `a file`, `a directory`, `a symbolic link`. */
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

const BLOCK = 512;
/** Maximum bytes of an extended header. A path has at most 4096, and there are few other records. */
const LARGEST_EXTENSION = 1 << 20;
/** Bytes read at a time after the end marker. */
const LARGEST_READ = 1 << 16;
/** Linux's limit for a path. */
const LONGEST_NAME = 4096;

/** Type flags (POSIX.1-2017, pax; and GNU's). */
const TYPES: Readonly<Record<string, string>> = {
  "0": "a file",
  "\0": "a file",
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a character device",
  "4": "a block device",
  "5": "a directory",
  "6": "a FIFO",
  "7": "a file",
};
const EXTENSIONS: Readonly<Record<string, string>> = {
  x: "pax",
  g: "global pax",
  L: "GNU long name",
  K: "GNU long link name",
};

interface Extended {
  readonly name?: string | undefined;
  readonly size?: number | undefined;
}

/**
 * Lists a tar archive: POSIX (ustar, pax) and GNU (long names, sizes above 8 GiB). Refuses wrong checksums,
 * sparse files, global headers that rename files, a missing end marker, and data after it.
 *
 * @throws {TarFault} if the archive is damaged or uses an unsupported feature.
 */
export function* tarEntries(file: Deno.FsFile): Generator<TarEntry> {
  const { size: length } = file.statSync();
  let extended: Extended = {};
  let at = 0;
  for (let header = readAt(file, 0, BLOCK); !isZero(header); header = readAt(file, at, BLOCK)) {
    checkSum(header);
    const type = String.fromCharCode(header[156] ?? 0);
    const ownSize = numberIn(header, 124, 12);
    const offset = at + BLOCK;
    let end = offset + ownSize;
    if (EXTENSIONS[type] === undefined) {
      const { name = nameIn(header), size = ownSize } = extended;
      const entry = entryOf(type, name, size);
      end = offset + entry.size;
      if (end > length) throw cutOff(length);
      extended = {};
      yield { ...entry, offset };
    } else if (ownSize > LARGEST_EXTENSION) {
      throw new TarFault(`a ${EXTENSIONS[type]} header has ${ownSize} bytes`);
    } else {
      extended = extendedBy(extended, type, readAt(file, offset, ownSize));
    }
    at = Math.ceil(end / BLOCK) * BLOCK;
  }
  for (; at < length; at += LARGEST_READ) {
    const rest = readAt(file, at, Math.min(LARGEST_READ, length - at));
    if (!isZero(rest)) throw new TarFault("it has data after its end");
  }
  if (length % BLOCK !== 0) throw cutOff(length);
}

function readAt(file: Deno.FsFile, at: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  file.seekSync(at, Deno.SeekMode.Start);
  for (let have = 0; have < count;) {
    const read = file.readSync(bytes.subarray(have));
    if (read === null) throw cutOff(at + have);
    have += read;
  }
  return bytes;
}

function cutOff(length: number): TarFault {
  return new TarFault(`it is cut off after ${length} bytes`);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function entryOf(type: string, name: string, size: number): Pick<TarEntry, "what" | "name" | "size"> {
  if (name.length > LONGEST_NAME) throw new TarFault(`a name has ${name.length} characters`);
  if (type === "S") throw sparse(name);
  // Old archives mark a directory only by a final slash.
  const isDirectory = type === "\0" && name.endsWith("/");
  const what = isDirectory ? "a directory" : TYPES[type] ?? `of the unknown type ${JSON.stringify(type)}`;
  const hasContent = what === "a file" || TYPES[type] === undefined;
  return { what, name, size: hasContent ? size : 0 };
}

/** Merges an extended header with those before it. */
function extendedBy(before: Extended, type: string, bytes: Uint8Array): Extended {
  if (type === "K") return before;
  if (type === "L") return { ...before, name: text(untilNul(bytes)) };
  const records = paxRecords(bytes);
  const [path, size] = [records.get("path"), records.get("size")];
  if (records.keys().some((key) => key.startsWith("GNU.sparse"))) throw sparse(path ?? "");
  if (size !== undefined && !/^\d{1,16}$/.test(size)) {
    throw new TarFault(`a pax size is ${JSON.stringify(size)}`);
  }
  const own = { name: path ?? before.name, size: size === undefined ? before.size : Number(size) };
  if (type === "x") return own;
  if (path === undefined && size === undefined) return before;
  throw new TarFault("a global pax header sets the names or sizes of files");
}

function sparse(name: string): TarFault {
  return new TarFault(`${JSON.stringify(name)} is a sparse file`);
}

/** Checks the sum of a header's bytes, in which the checksum's own bytes count as spaces. */
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

/** The name. POSIX has a separate field for the start of a long name. */
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

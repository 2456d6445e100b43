import type { ByteRange, ManifestFile } from "../../sources/manifest.ts";
import { crc32 } from "../hash/crc.ts";
import { type HostIdentity, hostIdentityFrom, sameBoot } from "../lease/host_identity.ts";
import { addRange } from "../ranges.ts";
import { fieldsOf } from "../../values/json.ts";

/** The content that a record is about: its ranges are valid for no other. */
export interface RecordBinding {
  /** Commit of the hub, URI of an S3 prefix. */
  readonly revision: string;
  readonly etag: string;
  readonly size: number;
}

export function bindingOf(revision: string, file: Pick<ManifestFile, "etag" | "size">): RecordBinding {
  return { revision, etag: file.etag, size: file.size };
}

export interface ReadRecord {
  readonly binding: RecordBinding;
  readonly writer: HostIdentity;
  /** Its writer has closed it: no process writes to the file any more. */
  readonly closed: boolean;
  /** Ranges that survive a power failure. */
  readonly flushed: readonly ByteRange[];
  /** Ranges that are on disk: flushed, or written on this machine since it started. */
  readonly done: readonly ByteRange[];
}

// One line per entry: CRC-32 of the rest, a space, the entry. A torn last line is ignored.
//   open <JSON>          first line: format, binding, writer
//   wrote <start> <end>  handed to the operating system: survives the death of the process
//   flushed <start> <end> survives a power failure: written after fdatasync(2) of the file
//   closed               the writer stopped

/** The first line of a record. */
export function openLine(binding: RecordBinding, writer: HostIdentity): string {
  return line(`open ${JSON.stringify({ format: 1, ...binding, ...writer })}`);
}

export function wroteLine({ start, end }: ByteRange): string {
  return line(`wrote ${start} ${end}`);
}

export function flushedLine({ start, end }: ByteRange): string {
  return line(`flushed ${start} ${end}`);
}

export function closedLine(): string {
  return line("closed");
}

/**
 * Reads a record up to its first damaged line; `null` if the first line is damaged.
 *
 * @param reader What was written but not flushed counts only on the writer's host, and before a reboot.
 */
export function readRecord(text: string, reader: HostIdentity): ReadRecord | null {
  const entries = wholeLines(text);
  const head = entries[0] === undefined ? null : parseHead(entries[0]);
  if (head === null) return null;
  const trustWritten = sameBoot(head.writer, reader);
  let done: ByteRange[] = [];
  let flushed: ByteRange[] = [];
  let closed = false;
  for (const entry of entries.slice(1)) {
    const [word, start, end] = entry.split(" ");
    closed = word === "closed";
    if (word !== "flushed" && !(word === "wrote" && trustWritten)) continue;
    const range = { start: Number(start), end: Number(end) };
    const valid = Number.isSafeInteger(range.start) && Number.isSafeInteger(range.end) && range.start >= 0 &&
      range.end <= head.binding.size && range.start < range.end;
    if (!valid) continue;
    done = addRange(done, range);
    if (word === "flushed") flushed = addRange(flushed, range);
  }
  return { ...head, closed, flushed, done };
}

function line(entry: string): string {
  return `${checksum(entry)} ${entry}\n`;
}

function checksum(text: string): string {
  const crc = crc32();
  crc.update(new TextEncoder().encode(text));
  return crc.hex();
}

function wholeLines(text: string): string[] {
  const lines = text.split("\n").slice(0, -1);
  const damaged = lines.findIndex((l) => l.slice(0, 9) !== `${checksum(l.slice(9))} `);
  return (damaged < 0 ? lines : lines.slice(0, damaged)).map((l) => l.slice(9));
}

function parseHead(entry: string): { binding: RecordBinding; writer: HostIdentity } | null {
  if (!entry.startsWith("open ")) return null;
  // The checksum is right, so the JSON is undamaged; another format is another program's.
  const json: unknown = JSON.parse(entry.slice(5));
  const { format, revision, etag, size } = fieldsOf(json);
  const writer = hostIdentityFrom(json);
  if (format !== 1 || typeof revision !== "string" || typeof etag !== "string") return null;
  return typeof size === "number" && writer !== null ? { binding: { revision, etag, size }, writer } : null;
}

/** True if both are about the same content. */
export function sameBinding(a: RecordBinding, b: RecordBinding): boolean {
  return a.revision === b.revision && a.etag === b.etag && a.size === b.size;
}

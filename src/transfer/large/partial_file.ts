import { dirname, join } from "@std/path";
import { errorFrom } from "../../errors/from_unknown.ts";
import type { FilesBelow } from "../../os/files_below.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";
import type { ByteRange } from "../../sources/manifest.ts";
import { directoryGone } from "../directory_gone.ts";
import { hostIdentity, knownGone } from "../lease/host_identity.ts";
import {
  closedLine,
  flushedLine,
  openLine,
  type ReadRecord,
  readRecord,
  type RecordBinding,
  sameBinding,
  wroteLine,
} from "./part_record.ts";
import { addRange, rangeBytes } from "../ranges.ts";
import { ownStaging, recordPath } from "../staging_names.ts";

/** Another process has taken over the partial file: the lease has failed. */
export class StagingLostError extends Error {
  override readonly name = "StagingLostError";
}

/**
 * A file in progress, with the record of what has arrived, which never claims a byte that is not on disk. A
 * later run takes over the file by renaming it, which an earlier run that still writes to it notices.
 */
export class PartialFile {
  /** Changes with {@linkcode restart}. */
  path: string;
  /** No other process can still be writing to it. */
  isSettled = true;
  readonly #below: FilesBelow;
  readonly #staging: string;
  readonly #binding: RecordBinding;
  #done: readonly ByteRange[] = [];
  #unflushed: readonly ByteRange[] = [];
  #files: OpenFiles | null = null;
  #flushing: Promise<void> | null = null;
  #exists = false;

  /** A new partial file. It is created on disk when first opened. */
  constructor(below: FilesBelow, staging: string, binding: RecordBinding) {
    this.path = ownStaging(staging);
    this.#below = below;
    this.#staging = staging;
    this.#binding = binding;
  }

  /**
   * Takes over what an earlier run left of the same content, and removes other leftovers.
   *
   * @param names File names in the staging directory that earlier runs left for this file.
   */
  adopt(names: readonly string[]): void {
    const found = names.map((name) => join(dirname(this.#staging), name))
      .map((from) => ({ from, record: usableRecord(from, this.#binding) }))
      .toSorted((a, b) => rangeBytes(b.record?.done ?? []) - rangeBytes(a.record?.done ?? []));
    const [best] = found;
    if (best !== undefined && best.record !== null && this.#takeOver(best.from, best.record)) {
      found.shift();
      this.#done = best.record.done;
      this.#exists = true;
      this.isSettled = best.record.closed || knownGone(best.record.writer);
    }
    for (const { from } of found) removePartial(this.#below, from);
  }

  /** Renames the file to this run's name, its record first: at any moment one complete pair exists. */
  #takeOver(from: string, record: ReadRecord): boolean {
    using file = this.#below.create(recordPath(this.path));
    const lines = [...record.flushed.map(flushedLine), ...record.done.map(wroteLine)];
    writeText(file, openLine(this.#binding, hostIdentity()) + lines.join(""));
    try {
      this.#below.rename(from, this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.#below.remove(recordPath(this.path));
      return false;
    }
    this.#below.remove(recordPath(from));
    return true;
  }

  /** Sorted, disjoint. */
  get done(): readonly ByteRange[] {
    return this.#done;
  }

  /** Creates the file, sparse and of its full size, and the record; or opens what was taken over. */
  open(): void {
    if (this.#files !== null) return;
    try {
      this.#files = this.#openBoth();
    } catch (error) {
      throw faultOf(error, this.path);
    }
    this.#exists = true;
  }

  /** The record first: neither is of use without the other. */
  #openBoth(): OpenFiles {
    const open = (path: string) => this.#exists ? this.#below.open(path) : this.#below.create(path);
    const record = open(recordPath(this.path));
    try {
      if (this.#exists) record.seekSync(0, Deno.SeekMode.End);
      else writeText(record, openLine(this.#binding, hostIdentity()));
      const data = open(this.path);
      if (!this.#exists) data.truncateSync(this.#binding.size);
      return { data, record, inode: data.statSync().ino };
    } catch (error) {
      record.close();
      throw error;
    }
  }

  /** A handle for writing at an offset. The caller closes it. */
  writer(offset: number): Deno.FsFile {
    this.open();
    try {
      const file = this.#below.open(this.path);
      file.seekSync(offset, Deno.SeekMode.Start);
      return file;
    } catch (error) {
      throw faultOf(error, this.path);
    }
  }

  /** Records bytes that were handed to the operating system. */
  wrote(range: ByteRange): void {
    if (range.end <= range.start) return;
    this.#done = addRange(this.#done, range);
    this.#unflushed = addRange(this.#unflushed, range);
    if (this.#files !== null) writeText(this.#files.record, wroteLine(range));
  }

  /** Flushes what was written so far, and records that; if a flush is still running, waits for it instead. */
  flush(): Promise<void> {
    return this.#flushing ??= this.#flush().finally(() => this.#flushing = null);
  }

  async #flush(): Promise<void> {
    const files = this.#files;
    if (files === null || this.#unflushed.length === 0) return;
    const flushing = this.#unflushed;
    this.#unflushed = [];
    try {
      await files.data.syncData();
    } catch (error) {
      // Closed meanwhile: published or discarded.
      if (this.#files !== files) return;
      throw error;
    }
    if (this.#files === files) writeText(files.record, flushing.map(flushedLine).join(""));
  }

  /** @throws {StagingLostError} when another process has renamed, removed or replaced the file. */
  checkOwned(): void {
    if (this.#files === null) return;
    try {
      if (Deno.lstatSync(this.path).ino === this.#files.inode) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    throw lost(this.path);
  }

  /** Discards what was downloaded. The next attempt has another name, and shares nothing with it. */
  restart(): void {
    this.#shut();
    this.#done = [];
    this.#unflushed = [];
    this.#exists = false;
    removePartial(this.#below, this.path);
    this.path = ownStaging(this.#staging);
  }

  /** Flushes to disk and renames to the final path: the bytes are proven. @throws {StagingLostError} */
  async publish(target: string): Promise<void> {
    this.open();
    const { path } = this;
    const files = this.#files;
    if (files === null || files.data.statSync().size !== this.#binding.size) throw lost(path);
    await files.data.syncData();
    // Restarted meanwhile: the file at this path is not the one that was proven.
    if (this.#files !== files) throw lost(path);
    try {
      this.#below.rename(path, target);
    } catch (error) {
      throw faultOf(error, path, target);
    }
    this.#shut();
    this.#below.remove(recordPath(path));
  }

  /** Closes the file cleanly; what was downloaded is kept for a later run. */
  close(): void {
    if (this.#files === null) return;
    // A full disk must not hide why the run ends.
    try {
      writeText(this.#files.record, closedLine());
    } catch { /* the next run waits a moment instead */ }
    this.#shut();
  }

  #shut(): void {
    this.#files?.data.close();
    this.#files?.record.close();
    this.#files = null;
  }
}

interface OpenFiles {
  readonly data: Deno.FsFile;
  readonly record: Deno.FsFile;
  readonly inode: number | null;
}

export function removePartial(files: FilesBelow, path: string): void {
  files.remove(path);
  files.remove(recordPath(path));
}

function usableRecord(path: string, binding: RecordBinding): ReadRecord | null {
  try {
    const info = Deno.lstatSync(path);
    if (!info.isFile || info.size !== binding.size) return null;
    const text = readRegularTextSync(recordPath(path));
    const record = text.kind === "ok" ? readRecord(text.value, hostIdentity()) : null;
    // In a folder shared by a group, it may be another user's, which only its owner can resume.
    Deno.openSync(path, { write: true }).close();
    return record !== null && sameBinding(record.binding, binding) ? record : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

const encoder = new TextEncoder();

function writeText(file: Deno.FsFile, text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

/** What a failure to open or rename the file means. */
function faultOf(error: unknown, path: string, written = path): Error {
  const isLost = error instanceof Deno.errors.NotFound;
  return directoryGone(error, path) ?? (isLost ? lost(path) : errorFrom(error, `writing ${written}`));
}

function lost(path: string): StagingLostError {
  return new StagingLostError(`${path} was taken over by another process`);
}

import { dirname, join } from "@std/path";
import type { FilesBelow } from "../../os/files_below.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";
import type { ByteRange } from "../../sources/manifest.ts";
import { directoryGone } from "../directory_gone.ts";
import { type HostIdentity, knownGone } from "../lease/host_identity.ts";
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

/** Another process has taken the partial file over: the lease has failed. */
export class StagingLostError extends Error {
  override readonly name = "StagingLostError";
}

/** Whose partial files they are, and where they are. */
export interface PartialOwner {
  readonly files: FilesBelow;
  readonly self: HostIdentity;
}

/**
 * A file while it arrives, with the record of what has. The record never claims a byte that is not on disk. A
 * name is used by one run only; a later run takes the file over by renaming it, which the earlier one notices
 * if it still runs.
 */
export class PartialFile {
  readonly path: string;
  readonly #binding: RecordBinding;
  readonly #owner: PartialOwner;
  #done: readonly ByteRange[];
  #unflushed: readonly ByteRange[] = [];
  #files: OpenFiles | null = null;
  #exists: boolean;

  private constructor(path: string, binding: RecordBinding, owner: PartialOwner, adopted: ReadRecord | null) {
    this.path = path;
    this.#binding = binding;
    this.#owner = owner;
    this.#done = adopted?.done ?? [];
    this.#exists = adopted !== null;
  }

  /** A partial file from nothing. Created when first opened. */
  static fresh(staging: string, binding: RecordBinding, owner: PartialOwner): PartialFile {
    return new PartialFile(ownStaging(staging), binding, owner, null);
  }

  /**
   * Takes over what an earlier run left of this very content, and removes the rest.
   *
   * @param names File names in the staging directory that earlier runs left for this file.
   * @returns `settled`: no other process can still be writing to it.
   */
  static adopt(
    staging: string,
    binding: RecordBinding,
    owner: PartialOwner,
    names: readonly string[],
  ): { partial: PartialFile; settled: boolean } {
    const { files, self } = owner;
    const path = ownStaging(staging);
    const found = names.map((name) => join(dirname(staging), name))
      .map((from) => ({ from, record: usableRecord(from, binding, self) }))
      .toSorted((a, b) => rangeBytes(b.record?.done ?? []) - rangeBytes(a.record?.done ?? []));
    const best = found[0];
    const taken = best !== undefined && best.record !== null && takeOver(best.from, path, best.record, owner);
    for (const { from } of taken ? found.slice(1) : found) removePartial(files, from);
    const record = taken ? best.record : null;
    return {
      partial: new PartialFile(path, binding, owner, record),
      settled: record === null || record.closed || knownGone(record.writer, self),
    };
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
      throw lostOr(error, this.path);
    }
    this.#exists = true;
  }

  /** The record first: neither is worth anything without the other. */
  #openBoth(): OpenFiles {
    const { files, self } = this.#owner;
    const open = (path: string) => this.#exists ? files.open(path) : files.create(path);
    const record = open(recordPath(this.path));
    try {
      if (this.#exists) record.seekSync(0, Deno.SeekMode.End);
      else writeText(record, openLine(this.#binding, self));
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
    let file: Deno.FsFile;
    try {
      file = this.#owner.files.open(this.path);
    } catch (error) {
      throw lostOr(error, this.path);
    }
    file.seekSync(offset, Deno.SeekMode.Start);
    return file;
  }

  /** Notes bytes that were handed to the operating system. */
  wrote(range: ByteRange): void {
    if (range.end <= range.start) return;
    this.#done = addRange(this.#done, range);
    this.#unflushed = addRange(this.#unflushed, range);
    if (this.#files !== null) writeText(this.#files.record, wroteLine(range));
  }

  /** Flushes what was written so far, and then notes so. */
  async flush(): Promise<void> {
    const files = this.#files;
    if (files === null || this.#unflushed.length === 0) return;
    const flushing = this.#unflushed;
    this.#unflushed = [];
    try {
      await files.data.syncData();
    } catch (error) {
      // Closed meanwhile: published, or thrown away.
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

  /** Throws away what was downloaded. The name stays this run's. */
  discard(): void {
    this.#shut();
    this.#done = [];
    this.#unflushed = [];
    this.#exists = false;
    removePartial(this.#owner.files, this.path);
  }

  /** Flushes to disk and renames to the final path: the bytes are proven. @throws {StagingLostError} */
  async publish(target: string): Promise<void> {
    this.open();
    const files = this.#files;
    if (files === null) throw lost(this.path);
    const { size } = files.data.statSync();
    if (size !== this.#binding.size) throw lost(this.path);
    await files.data.syncData();
    try {
      this.#owner.files.rename(this.path, target);
    } catch (error) {
      throw lostOr(error, this.path);
    }
    this.#shut();
    this.#owner.files.remove(recordPath(this.path));
  }

  /** Ends this run's use in order; what was downloaded stays for a later one. */
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

/** Removes a partial file and its record. */
export function removePartial(files: FilesBelow, path: string): void {
  files.remove(path);
  files.remove(recordPath(path));
}

function usableRecord(path: string, binding: RecordBinding, self: HostIdentity): ReadRecord | null {
  try {
    const info = Deno.lstatSync(path);
    if (!info.isFile || info.size !== binding.size) return null;
    const text = readRegularTextSync(recordPath(path));
    const record = text.kind === "ok" ? readRecord(text.value, self) : null;
    // Another user's, in a folder shared by a group: only its owner can go on with it.
    Deno.openSync(path, { write: true }).close();
    return record !== null && sameBinding(record.binding, binding) ? record : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

/**
 * Renames the file to this run's name, its record first: whenever the process dies, one complete pair exists.
 */
function takeOver(from: string, to: string, record: ReadRecord, { files, self }: PartialOwner): boolean {
  const text = openLine(record.binding, self) + record.flushed.map(flushedLine).join("") +
    record.done.map(wroteLine).join("");
  using file = files.create(recordPath(to));
  writeText(file, text);
  try {
    files.rename(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    files.remove(recordPath(to));
    return false;
  }
  files.remove(recordPath(from));
  return true;
}

const encoder = new TextEncoder();

function writeText(file: Deno.FsFile, text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

/** What a failure to find the file means. */
function lostOr(error: unknown, path: string): unknown {
  return directoryGone(error, path) ?? (error instanceof Deno.errors.NotFound ? lost(path) : error);
}

function lost(path: string): StagingLostError {
  return new StagingLostError(`${path} was taken over by another process`);
}

import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { writeFile } from "../os/write_file.ts";
import { eachOf } from "../sources/each_of.ts";
import { isAbsence } from "./files.ts";
import { folderOf } from "./layout.ts";
import type { ModelRecord } from "./record.ts";

/** What makes a model whole. Paths are absolute. */
export interface ModelCommit {
  /** Where the record is written. */
  readonly files: FilesBelow;
  /** Files of the model that the transfer has not flushed itself. */
  readonly unflushed: readonly string[];
  /** Directories in which the model's files got their names. */
  readonly directories: readonly string[];
  /** Writes what may be there once the files are on disk. Resolves to the directories that it has changed. */
  readonly prepare?: () => Promise<readonly string[]>;
  /** The record, and where it goes: with it the model is whole. */
  readonly record: ModelRecord;
  readonly path: string;
  /** Changes what may change once the record is on disk. Resolves to the directories that it has changed. */
  readonly finish?: () => Promise<readonly string[]>;
}

/**
 * Makes a model whole on disk, in this order: its files, their names, the record, the record's name. When this resolves, a loss of power takes
 * nothing away; before, it leaves a model without this record. So a record never speaks of a byte that is not on disk.
 *
 * Each file is flushed by itself: syncfs(2) would do it with one call, but also waits for what others write to the same file system.
 *
 * @throws {AimError} `no-space` where something cannot be brought to disk; `integrity` where a file is gone.
 */
export async function commitModel(commit: ModelCommit): Promise<void> {
  const { files, unflushed, directories, prepare, record, path, finish } = commit;
  await eachOf(unflushed, flushFile);
  await flushDirectories(directories);
  if (prepare !== undefined) await flushDirectories(await prepare());
  writeFile(files, path, `${JSON.stringify(record, null, 1)}\n`);
  await flushDirectories([folderOf(path)]);
  if (finish !== undefined) await flushDirectories(await finish());
}

async function flushFile(path: string): Promise<void> {
  try {
    using file = await Deno.open(path);
    await file.syncData();
  } catch (error) {
    if (isAbsence(error)) {
      throw new AimError("integrity", `${path} was removed while the model was downloaded`, {
        hint: "make sure that nothing else removes the model, then run again",
        cause: error,
      });
    }
    if (!cannotFlush(error)) throw errorFrom(error, `writing ${path}`);
  }
}

/** Flushes directories with all above them, of which some may be new. */
async function flushDirectories(directories: readonly string[]): Promise<void> {
  const all = new Set<string>();
  for (const directory of directories) {
    for (let at = directory; at !== "" && !all.has(at); at = folderOf(at)) all.add(at);
  }
  await eachOf([...all], async (path) => {
    try {
      using directory = await Deno.open(path);
      await directory.sync();
    } catch (error) {
      if (!cannotFlush(error)) throw errorFrom(error, `writing ${path}`);
    }
  });
}

/**
 * Others' files and directories, which this user may not open, are not this download's to flush; some network and user-space file systems
 * have no way to flush a directory.
 */
function cannotFlush(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable ||
    ["EACCES", "EPERM", "EINVAL", "EROFS", "ENOSYS", "EOPNOTSUPP", "EISDIR"].includes(errnoOf(error) ?? "");
}

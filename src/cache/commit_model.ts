import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { writeFile } from "../os/write_file.ts";
import { eachOf } from "../sources/each_of.ts";
import { isAbsence } from "./files.ts";
import { folderOf } from "./layout.ts";
import type { ModelRecord } from "./record.ts";

/** Steps of a commit. Paths are absolute. */
export interface ModelCommit {
  readonly files: FilesBelow;
  /** Files of the model that the transfer has not flushed. */
  readonly unflushed: readonly string[];
  /** Runs when the files are on disk. Resolves to the directories that it or the transfer has changed. */
  readonly prepare: () => Promise<readonly string[]>;
  /** Makes the model complete. */
  readonly record: ModelRecord;
  /** Of the record. */
  readonly path: string;
  /** Runs when the record is on disk. Resolves to the directories that it has changed. */
  readonly finish: () => Promise<readonly string[]>;
}

/**
 * Makes a model complete on disk, in this order: its files, their names, the record, the record's name. Once this
 * resolves, the model survives a loss of power; before, a loss of power leaves a model without this record. So the
 * files of a record are always on disk.
 *
 * Flushes each file: a single syncfs(2) would also wait for other programs' writes to the same file system.
 *
 * @throws {AimError} `no-space` if something cannot be flushed; `integrity` if a file is gone.
 */
export async function commitModel(commit: ModelCommit): Promise<void> {
  const { files, unflushed, prepare, record, path, finish } = commit;
  await eachOf(unflushed, flushFile);
  await flushDirectories(await prepare());
  writeFile(files, path, `${JSON.stringify(record, null, 1)}\n`);
  await flushDirectories([folderOf(path)]);
  await flushDirectories(await finish());
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

/** Flushes directories and all directories above them, since those may be new. */
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

/** This user may not open other users' files and directories; some file systems cannot flush a directory. */
function cannotFlush(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable ||
    ["EACCES", "EPERM", "EINVAL", "EROFS", "ENOSYS", "EOPNOTSUPP", "EISDIR"].includes(errnoOf(error) ?? "");
}

import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { writeFile } from "../os/write_file.ts";
import { eachOf } from "../sources/each_of.ts";
import { isAbsence } from "./files.ts";
import { folderOf } from "./layout.ts";
import type { ModelRecord } from "./record.ts";

// A model is flushed to disk in this order: its files, their directories, the record, the record's directory.
// After that, the model survives a power loss; until then, a power loss leaves it without this record. So the
// files of a record are always on disk.

/**
 * Writes a record durably, which makes the model complete. Its files must be flushed.
 *
 * @param path Of the record.
 * @param changed Directories with new files or links.
 * @throws {AimError} `no-space` if something cannot be written.
 */
export async function commitRecord(
  files: FilesBelow,
  path: string,
  record: ModelRecord,
  changed: readonly string[],
): Promise<void> {
  await flushDirectories(changed);
  writeFile(files, path, `${JSON.stringify(record, null, 1)}\n`);
  await flushDirectories([folderOf(path)]);
}

/**
 * Flushes each file: a single syncfs(2) would also wait for other programs' writes to the same file system.
 *
 * @throws {AimError} `no-space` if one cannot be flushed; `integrity` if one is gone.
 */
export async function flushFiles(paths: readonly string[]): Promise<void> {
  await eachOf(paths, flushFile);
}

async function flushFile(path: string): Promise<void> {
  try {
    using file = await Deno.open(path);
    await file.syncData();
  } catch (error) {
    if (isAbsence(error)) {
      throw new AimError("integrity", `${path} was removed during the download`, {
        hint: "make sure that nothing else removes the model, then run again",
        cause: error,
      });
    }
    if (!cannotFlush(error)) throw errorFrom(error, `writing ${path}`);
  }
}

/** Flushes directories and all of their parents, which may be new. */
export async function flushDirectories(directories: readonly string[]): Promise<void> {
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

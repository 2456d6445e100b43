import { AimError } from "../errors/aim_error.ts";
import type { Manifest } from "../sources/manifest.ts";
import { assertSafePath } from "../sources/safe_path.ts";
import { folderOf } from "./layout.ts";

/** Linux's longest path in bytes, and the most that a partial file's name adds to a name. */
const LONGEST_PATH = 4095;
const ASIDE = 96;

/**
 * Checks that all files of a manifest can be written below a directory.
 *
 * @param below Absolute: the directory with the longest paths.
 * @throws {AimError} `integrity`, naming the file.
 */
export function checkNames({ files, source }: Manifest, below: string): void {
  const folders = new Set<string>();
  for (const { path } of files) {
    for (let at = folderOf(path); at !== "" && !folders.has(at); at = folderOf(at)) folders.add(at);
  }
  const encoder = new TextEncoder();
  const before = encoder.encode(below).length + 1 + ASIDE;
  for (const { path } of files) {
    assertSafePath(path, source);
    const fault = folders.has(path)
      ? "there is also a directory of that name"
      : path === "lost+found" || path.startsWith("lost+found/")
      ? "lost+found belongs to the file system"
      : before + encoder.encode(path).length > LONGEST_PATH
      ? `its path below ${below} is too long for Linux`
      : null;
    if (fault === null) continue;
    throw new AimError("integrity", `${source} has a file named ${JSON.stringify(path)}: ${fault}`, {
      hint: "rename or remove it at the source, or leave it out with --exclude",
    });
  }
}

import { AimError } from "../errors/aim_error.ts";
import type { Manifest } from "../sources/manifest.ts";
import { assertSafePath } from "../sources/safe_path.ts";
import { folderOf } from "./layout.ts";

/** Bytes that Linux takes of a path, and those that the longest name beside a file adds to it. */
const LONGEST_PATH = 4095;
const ASIDE = 96;

/**
 * Checks that a manifest's files can all be written below a directory, before the first byte is asked for.
 *
 * @param below Absolute: the directory under which the longest paths will be.
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
      ? "there is a directory of that name, too"
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

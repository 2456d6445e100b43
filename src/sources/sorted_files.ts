import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import type { ManifestFile } from "./manifest.ts";
import { assertSafePath } from "./safe_path.ts";

/** A file whose path is not checked. */
export type ListedFile = Omit<ManifestFile, "path"> & { readonly path: string };

/**
 * Sorts files by path, and warns about files without a digest.
 *
 * @throws {AimError} `integrity` for an unsafe or repeated path, or a file that is also a directory.
 */
export function sortedFiles(files: readonly ListedFile[], source: string): readonly ManifestFile[] {
  const byPath = new Map<string, ManifestFile>();
  for (const file of files) {
    const path = assertSafePath(file.path, source);
    if (byPath.has(path)) throw clash(source, path, "twice");
    byPath.set(path, { ...file, path });
  }
  for (const path of byPath.keys()) {
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      const parent = path.slice(0, at);
      if (byPath.has(parent)) {
        throw clash(source, parent, `as a file and as the directory of ${JSON.stringify(path)}`);
      }
    }
  }
  const [example, ...more] = files.filter(({ size, digest }) => size > 0 && digest === null);
  if (example !== undefined) {
    const some = `${more.length + 1} of ${files.length} files`;
    log.warn(`${source} has no digest for ${some}: only their sizes are checked`, { example: example.path });
  }
  return [...byPath.values()].sort((a, b) => a.path < b.path ? -1 : 1);
}

function clash(source: string, path: string, how: string): AimError {
  return new AimError("integrity", `${source} has ${JSON.stringify(path)} ${how}`, {
    hint: "rename or remove one at the source, or leave one out with --exclude",
  });
}

import { AimError } from "../errors/aim_error.ts";
import type { Manifest, ManifestFile } from "../sources/manifest.ts";
import { listFiles, statNow } from "./files.ts";

/** Linux's maximum path length in bytes, and the most that a partial file's suffix adds. */
const LONGEST_PATH = 4095;
const ASIDE = 96;

/**
 * Checks that all files of a manifest can be written below a directory.
 *
 * @param below Absolute: the longest path of a directory that files are written to.
 * @throws {AimError} `integrity`, naming the file.
 */
export function checkNames({ files, source }: Manifest, below: string): void {
  const bytesOf = (path: string) => new TextEncoder().encode(path).length;
  const left = LONGEST_PATH - ASIDE - bytesOf(below) - 1;
  for (const { path } of files) {
    const fault = /^lost\+found(?:\/|$)/.test(path)
      ? "lost+found belongs to the file system"
      : bytesOf(path) > left
      ? `its path below ${below} is too long for Linux`
      : null;
    if (fault === null) continue;
    throw new AimError("integrity", `${source} has a file named ${JSON.stringify(path)}: ${fault}`, {
      hint: "rename or remove it at the source, or leave it out with --exclude",
    });
  }
}

/** Files checked between two turns of the event loop, which handle signals. */
const TURN = 256;

/**
 * Checks all files again before a model is marked complete: another program may have removed one, and a file
 * system that ignores case may have merged two. Returns their modification times in milliseconds since 1970.
 *
 * @throws {AimError} `integrity`, naming the file.
 */
export async function checkPublished(
  directory: string,
  files: readonly ManifestFile[],
): Promise<ReadonlyMap<string, number>> {
  await checkCases(directory, files);
  const modified = new Map<string, number>();
  for (const [at, { path, size }] of files.entries()) {
    if (at % TURN === TURN - 1) await new Promise((resolve) => setTimeout(resolve));
    const info = statNow(`${directory}/${path}`);
    if (!info?.isFile || info.size !== size) {
      const what = info === null ? "is gone" : `has ${info.size} bytes instead of ${size}`;
      throw new AimError("integrity", `${directory}/${path} changed after it was downloaded: it ${what}`, {
        hint: "make sure that nothing else writes there, then run again",
      });
    }
    modified.set(path, info.mtime?.getTime() ?? 0);
  }
  return modified;
}

async function checkCases(directory: string, files: readonly ManifestFile[]): Promise<void> {
  const twins = [...Map.groupBy(files, ({ path }) => path.toLowerCase()).values()].filter((same) =>
    same.length > 1
  );
  if (twins.length === 0) return;
  const names = await listFiles(directory);
  for (const same of twins) {
    if (same.every(({ path }) => names.has(path))) continue;
    throw new AimError(
      "integrity",
      `the file system of ${directory} treats ${same.map(({ path }) => path).join(" and ")} as one file`,
      { hint: "use a case-sensitive file system, or leave one of them out with --exclude" },
    );
  }
}

import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import { isAbsence, listFiles } from "./files.ts";

/** Files between two turns of the event loop: signals are heard there. */
const TURN = 256;

/**
 * Looks once more at all files before a directory is called whole: another program may have removed one meanwhile, and a file system that
 * ignores case may have taken two for one. Returns when each was modified, in milliseconds since 1970.
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
    // What this very process has just written is known to the kernel: asking it at once is a tenth of the work.
    if (at % TURN === TURN - 1) await new Promise((resolve) => setTimeout(resolve));
    const info = statNow(`${directory}/${path}`);
    if (!info?.isFile || info.size !== size) {
      const what = info === null ? "is gone" : `has ${info.size} bytes instead of ${size}`;
      throw new AimError("integrity", `${directory}/${path} ${what} since it was downloaded`, {
        hint: "see that nothing else writes there, then run again",
      });
    }
    modified.set(path, info.mtime?.getTime() ?? 0);
  }
  return modified;
}

function statNow(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (isAbsence(error)) return null;
    throw errorFrom(error, `reading ${path}`);
  }
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
      `the file system of ${directory} takes ${same.map(({ path }) => path).join(" and ")} for one file`,
      { hint: "use one that tells upper from lower case, or leave one out with --exclude" },
    );
  }
}

import { basename, dirname, join, resolve } from "@std/path";
import { AimError } from "../errors/aim_error.ts";
import { readRegularFile } from "../os/read_regular_file.ts";
import { compareText } from "./rank.ts";
import { readProfile } from "./read_profile.ts";
import type { ProfileFault } from "./types.ts";

/** What a check of profile files found. */
export interface ValidationResult {
  /** How many files were looked at. */
  readonly files: number;
  /** By file, then by place. */
  readonly faults: readonly ProfileFault[];
}

/**
 * Checks profile files by the same rules as when they are loaded, and for keys written twice, which loading lets pass. Of a
 * folder, every `.yaml` and `.yml` file in it at any depth; hidden ones are left out. Requires `--allow-read`.
 *
 * @throws {AimError} `usage`: a path that is not there, or a folder without profiles.
 */
export async function validateProfileFiles(paths: readonly string[]): Promise<ValidationResult> {
  const files = paths.flatMap(filesAt);
  const faults: ProfileFault[] = [];
  for (const path of files) faults.push(...await faultsOf(path));
  return { files: files.length, faults };
}

async function faultsOf(path: string): Promise<readonly ProfileFault[]> {
  const read = await readRegularFile(path);
  if (read.kind !== "ok") {
    const reason = read.kind === "absent" ? "there is no such file" : read.reason;
    return [{ path, line: 1, column: 1, reason: `cannot read it: ${reason}` }];
  }
  const general = basename(dirname(resolve(path))) === "general";
  const { faults, notes } = await readProfile(read.value, {
    id: path,
    path,
    origin: "disk",
    priority: general ? 3 : 2,
    kind: general ? "general" : "either",
  }, { thorough: true });
  return [...faults, ...notes].sort((a, b) => a.line - b.line || a.column - b.column);
}

function filesAt(path: string): string[] {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (thrown) {
    const reason = thrown instanceof Deno.errors.NotFound
      ? "is not there"
      : `cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    throw new AimError("usage", `${path} ${reason}`, { hint: "give files or folders of profiles" });
  }
  if (!info.isDirectory) return [path];
  const files = yamlFiles(path, 0);
  if (files.length > 0) return files;
  throw new AimError("usage", `${path} holds no .yaml file`, { hint: "give files or folders of profiles" });
}

// Deeper than any tree of profiles: a link to a parent folder must come to an end.
const MAX_DEPTH = 16;

function yamlFiles(folder: string, depth: number): string[] {
  if (depth > MAX_DEPTH) return [];
  return [...Deno.readDirSync(folder)]
    .filter((entry) => !entry.name.startsWith("."))
    .sort((a, b) => compareText(a.name, b.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory) return yamlFiles(path, depth + 1);
      return /\.ya?ml$/.test(entry.name) ? [path] : [];
    });
}

import { basename, dirname, resolve } from "@std/path";
import { AimError } from "../errors/aim_error.ts";
import { readRegularFile } from "../os/read_regular_file.ts";
import { findProfileFiles } from "./find_profile_files.ts";
import { type ProfileFile, readProfile, sorted } from "./read_profile.ts";
import type { SchemaFault } from "./schema_fault.ts";
import { primaryFaults, styleFaults } from "./style_faults.ts";
import type { Profile, ProfileFault } from "./types.ts";

/** What a check of profile files found. */
export interface ValidationResult {
  /** How many files were looked at. */
  readonly files: number;
  /** By file, then by place. */
  readonly faults: readonly ProfileFault[];
  /** What is odd and does no harm. */
  readonly warnings: readonly ProfileFault[];
}

/** Options of {@linkcode validateProfileFiles}. */
export interface ValidateOptions {
  /**
   * Also AMD's rules of style: file names, no unknown or retired keys, one primary profile; warnings are
   * faults then. @default {false}
   */
  strict?: boolean;
  /** Checks a profile's engine arguments; paths start at the arguments. @default {nothing is checked} */
  checkArgs?: (profile: Profile) => { faults: readonly SchemaFault[]; warnings: readonly SchemaFault[] };
}

/**
 * Checks profile files by the same rules as when they are loaded, and for keys written twice, which loading
 * lets pass. Of a folder, every `.yaml` and `.yml` file in it at any depth; hidden ones are left out.
 * Requires `--allow-read`.
 *
 * @throws {AimError} `usage`: a path that is not there, or a folder without profiles.
 */
export async function validateProfileFiles(
  paths: readonly string[],
  options: ValidateOptions = {},
): Promise<ValidationResult> {
  const files = paths.flatMap(filesAt);
  const faults: ProfileFault[] = [];
  const warnings: ProfileFault[] = [];
  const valid: Profile[] = [];
  for (const path of files) {
    const file = await fileAt(path);
    const found = [...file.faults];
    const odd = [...file.notes];
    if (file.profile !== null) {
      valid.push(file.profile);
      const args = options.checkArgs?.(file.profile);
      const placed =
        (prefix: readonly string[]) => ({ path: below, atKey, reason }: SchemaFault): ProfileFault => ({
          path,
          ...file.positionOf([...prefix, ...below], atKey ? "key" : undefined),
          reason,
        });
      found.push(...(args?.faults ?? []).map(placed(["engine_args"])));
      odd.push(...(args?.warnings ?? []).map(placed(["engine_args"])));
      if (options.strict === true) found.push(...styleFaults(file.profile).map(placed([])));
    }
    if (options.strict === true) found.push(...odd.splice(0));
    faults.push(...sorted(found));
    warnings.push(...sorted(odd));
  }
  if (options.strict === true) faults.push(...primaryFaults(valid));
  return { files: files.length, faults, warnings };
}

async function fileAt(path: string): Promise<ProfileFile> {
  const read = await readRegularFile(path);
  if (read.kind !== "ok") {
    const reason = `cannot read it: ${read.kind === "absent" ? "there is no such file" : read.reason}`;
    const position = { line: 1, column: 1 };
    return { profile: null, faults: [{ path, ...position, reason }], notes: [], positionOf: () => position };
  }
  const general = basename(dirname(resolve(path))) === "general";
  return await readProfile(read.value, {
    idOf: () => path,
    path,
    origin: "disk",
    priority: general ? 3 : 2,
    kind: general ? "general" : "either",
  }, { thorough: true });
}

const GIVE = "give files or folders of profiles";

function filesAt(path: string): string[] {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (thrown) {
    const reason = thrown instanceof Deno.errors.NotFound
      ? "does not exist"
      : `cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    throw new AimError("usage", `${path} ${reason}`, { hint: GIVE });
  }
  if (!info.isDirectory) return [path];
  const { files, unreadable } = findProfileFiles(path);
  const [first] = unreadable;
  if (first !== undefined) {
    const reason = first.thrown instanceof Error ? first.thrown.message : String(first.thrown);
    throw new AimError("usage", `${first.path} cannot be read: ${reason}`, { hint: GIVE });
  }
  if (files.length === 0) throw new AimError("usage", `${path} contains no .yaml file`, { hint: GIVE });
  return files.map((file) => file.path);
}

import { basename, dirname, resolve } from "@std/path";
import { AimError } from "../errors/aim_error.ts";
import { isMap } from "../values/value.ts";
import { findProfileFiles } from "./find_profile_files.ts";
import { RETIRED } from "./profile_from_value.ts";
import { readProfile, sorted } from "./read_profile.ts";
import type { Profile, ProfileFault, ProfilePlace, SchemaFault } from "./types.ts";

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
    const file = await readProfile(path, placeOf(path), { thorough: true });
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

function placeOf(path: string): ProfilePlace {
  const general = basename(dirname(resolve(path))) === "general";
  return {
    idOf: () => path,
    path,
    origin: "disk",
    priority: general ? 3 : 2,
    kind: general ? "general" : "either",
  };
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

/**
 * What AMD's own check of a profile refuses beyond what its runtime does: retired keys, and another file name
 * than the metadata give.
 */
function styleFaults({ path, metadata, content }: Profile): SchemaFault[] {
  const written = content.get("metadata");
  const retired = isMap(written) ? RETIRED.filter((key) => written.has(key)) : [];
  const faults = retired.map((key): SchemaFault => ({
    path: ["metadata", key],
    atKey: true,
    reason: `${key} is retired: use ${REPLACEMENTS[key] ?? "type"}`,
  }));
  const { engine, acceleratorModel, acceleratorType, acceleratorCount, precision, metric, variant } =
    metadata;
  const count = acceleratorType === "cpu" ? 1 : acceleratorCount;
  const name = (format: string) =>
    `${engine}-${acceleratorModel.toLowerCase()}-${format}-tp${count}-${metric}${
      variant === null ? "" : `-${variant}`
    }.yaml`;
  // fp4 weights may be named by their format.
  const names = [precision, ...(precision === "fp4" ? ["mxfp4"] : [])].map(name);
  if (!names.includes(basename(path))) {
    faults.push({
      path: [],
      atKey: true,
      reason: `by its metadata the file's name is ${names.join(" or ")}`,
    });
  }
  return faults;
}

const REPLACEMENTS: Readonly<Record<string, string>> = {
  gpu: "accelerator_model",
  gpu_count: "accelerator_count",
  manual_selection_only: "type: unoptimized",
};

/**
 * Of each model's profiles for one accelerator and metric, exactly one is primary. General profiles have
 * none.
 */
function primaryFaults(profiles: readonly Profile[]): ProfileFault[] {
  const groups = Map.groupBy(
    profiles.filter(({ aimId }) => aimId !== null),
    ({ aimId, metadata }) => JSON.stringify([aimId, metadata.acceleratorModel, metadata.metric]),
  );
  return [...groups.values()].flatMap((group): ProfileFault[] => {
    const primary = group.filter((one) => one.metadata.primary).map((one) => one.path).sort();
    const [path = group[0]?.path ?? ""] = primary;
    const { aimId, metadata } = group[0] ?? {};
    const what = `${aimId ?? "general"} on ${metadata?.acceleratorModel}, ${metadata?.metric}`;
    if (primary.length === 1) return [];
    const reason = primary.length === 0
      ? `no profile is primary for ${what}`
      : `several profiles are primary for ${what}: ${primary.map((one) => basename(one)).join(", ")}`;
    return [{ path, line: 1, column: 1, reason }];
  });
}

import { basename, dirname, resolve } from "@std/path";
import { AimError } from "../errors/aim_error.ts";
import { fileType } from "../os/file_type.ts";
import { findProfileFiles } from "./find_profile_files.ts";
import { mapAt } from "./profile_content.ts";
import { RETIRED } from "./profile_from_value.ts";
import { byPlace, readProfile } from "./read_profile.ts";
import type { Findings, Profile, ProfileCheck, ProfileFault, ProfilePlace, SchemaFault } from "./types.ts";

/** What was found, by file, then by place. */
export interface ValidationResult extends Findings<ProfileFault> {
  readonly files: number;
}

/**
 * Checks profile files, and those in folders at any depth, by the rules of loading, and for keys written
 * twice, which loading accepts. Requires `--allow-read`.
 *
 * @param strict Also apply AMD's style rules: file names, no unknown or retired keys, one primary profile;
 *   warnings become faults.
 * @throws {AimError} `usage`: a path that does not exist, or a folder without profiles.
 */
export async function validateProfileFiles(
  given: readonly string[],
  strict: boolean = false,
  checkArgs: ProfileCheck = () => ({ faults: [], warnings: [] }),
): Promise<ValidationResult> {
  const check: ProfileCheck = (profile) => {
    const { faults, warnings } = checkArgs(profile);
    return { faults: [...faults, ...(strict ? styleFaults(profile) : [])], warnings };
  };
  const paths = given.flatMap(filesAt);
  const files = await Promise.all(paths.map((path) => readProfile(path, placeOf(path), check)));
  const faultsOf = ({ faults, warnings }: Findings<ProfileFault>) =>
    strict ? [...faults, ...warnings].sort(byPlace) : faults;
  const primary = strict ? primaryFaults(files.flatMap(({ profile }) => profile ?? [])) : [];
  return {
    files: files.length,
    faults: [...files.flatMap(faultsOf), ...primary],
    warnings: strict ? [] : files.flatMap(({ warnings }) => warnings),
  };
}

function placeOf(path: string): ProfilePlace {
  const general = basename(dirname(resolve(path))) === "general";
  return { id: path, path, priority: general ? 3 : 2, kind: general ? "general" : "either" };
}

function filesAt(path: string): readonly string[] {
  const wrong = (what: string) => new AimError("usage", what, { hint: "give files or folders of profiles" });
  const type = fileType(path);
  if (type === null) throw wrong(`${path} does not exist, or this user cannot see it`);
  if (type !== "directory") return [path];
  const { files, faults: [first] } = findProfileFiles(path);
  if (first !== undefined) throw wrong(`${first.path}: ${first.reason}`);
  if (files.length === 0) throw wrong(`${path} contains no .yaml file`);
  return files;
}

/** What AMD's own check refuses, although its runtime accepts it: retired keys, and another file name. */
function styleFaults({ path, metadata, content }: Profile): SchemaFault[] {
  const written = mapAt(content, "metadata");
  const faults = RETIRED.filter((key) => written.has(key)).map((key): SchemaFault => ({
    path: ["metadata", key],
    atKey: true,
    reason: `${key} is retired: use ${REPLACEMENTS[key] ?? "type"}`,
  }));
  const { engine, acceleratorModel, acceleratorType, acceleratorCount, precision, metric, variant } =
    metadata;
  const count = acceleratorType === "cpu" ? 1 : acceleratorCount;
  // fp4 weights may be named by their format.
  const names = [precision, ...(precision === "fp4" ? ["mxfp4"] : [])].map((format) => {
    const words = [engine, acceleratorModel.toLowerCase(), format, `tp${count}`, metric, variant];
    return `${words.filter((word) => word !== null).join("-")}.yaml`;
  });
  if (!names.includes(basename(path))) {
    const reason = `by its metadata, the file must be named ${names.join(" or ")}`;
    faults.push({ path: [], atKey: true, reason });
  }
  return faults;
}

const REPLACEMENTS: Readonly<Record<string, string>> = {
  gpu: "accelerator_model",
  gpu_count: "accelerator_count",
  manual_selection_only: "type: unoptimized",
};

/** Of a model's profiles for one accelerator and metric, exactly one is primary; of general ones, none. */
function primaryFaults(profiles: readonly Profile[]): ProfileFault[] {
  const groups = Map.groupBy(
    profiles.filter(({ aimId }) => aimId !== null),
    ({ aimId, metadata }) => JSON.stringify([aimId, metadata.acceleratorModel, metadata.metric]),
  );
  return [...groups.values()].flatMap((group): ProfileFault[] => {
    const primary = group.filter((one) => one.metadata.primary).map((one) => one.path).sort();
    const [first] = group;
    if (first === undefined || primary.length === 1) return [];
    const { path, aimId, metadata: { acceleratorModel, metric } } = first;
    const what = `${aimId} on ${acceleratorModel}, ${metric}`;
    const reason = primary.length === 0
      ? `no profile is primary for ${what}`
      : `several profiles are primary for ${what}: ${primary.map((one) => basename(one)).join(", ")}`;
    return [{ path: primary[0] ?? path, line: 1, column: 1, reason }];
  });
}

import { readRegularFileSync } from "../os/read_regular_file.ts";
import { readPlainYaml } from "../values/read_plain_yaml.ts";
import { readYaml, type YamlFault } from "../values/read_yaml.ts";
import { withoutCall } from "./find_profile_files.ts";
import type { checkProfile } from "./check_profile.ts";
import { profileFromValue } from "./profile_from_value.ts";
import type { Findings, Profile, ProfileCheck, ProfileFault, ProfilePlace, SchemaFault } from "./types.ts";

/** A profile's file, read and checked. What was found is in the order of the file. */
export interface ProfileFile extends Findings<ProfileFault> {
  /** `null` if there are faults. */
  readonly profile: Profile | null;
}

/** The largest profile that is read, in bytes: real ones have one or two thousand. */
const MAX_PROFILE_BYTES = 256 * 1024;

/**
 * Reads a profile file. Never throws: what is wrong with it, or with reading it, is in the result.
 *
 * @param check A further check. With one, there are also warnings of keys written twice, which PyYAML takes
 *   silently.
 */
export async function readProfile(
  path: string,
  place: ProfilePlace,
  check?: ProfileCheck,
): Promise<ProfileFile> {
  const inFile = (faults: readonly YamlFault[]): ProfileFault[] =>
    faults.map((fault) => ({ path: place.path, ...fault })).sort(byPlace);
  const text = textOf(path);
  if (typeof text !== "string") return { profile: null, faults: inFile([text]), warnings: [] };
  const checkSchema = await loadCheck();
  const plain = check === undefined ? readPlainYaml(text) : null;
  if (plain !== null) {
    const read = profileFromValue(plain, place, checkSchema);
    // Faults and warnings need their place, which the full reader knows.
    if (read.profile !== null && read.warnings.length === 0) return { ...read, faults: [], warnings: [] };
  }
  const file = await readYaml(text);
  if (file.value === null) return { profile: null, faults: inFile(file.faults), warnings: [] };
  const { profile, faults, warnings } = profileFromValue(file.value, place, checkSchema);
  const more = profile === null ? undefined : check?.(profile);
  const placed = ({ path, atKey, reason }: SchemaFault) => ({
    ...file.positionOf(path, atKey ? "key" : undefined),
    reason,
  });
  return {
    profile,
    faults: inFile([...faults, ...more?.faults ?? []].map(placed)),
    warnings: inFile([...[...warnings, ...more?.warnings ?? []].map(placed), ...file.notes]),
  };
}

let loading: Promise<typeof checkProfile> | undefined;

/** The validator, which packed profiles do not need. Even an import that is done takes time for each file. */
async function loadCheck(): Promise<typeof checkProfile> {
  return await (loading ??= import("./check_profile.ts").then((module) => module.checkProfile));
}

export function byPlace(a: ProfileFault, b: ProfileFault): number {
  return a.line - b.line || a.column - b.column;
}

function textOf(path: string): string | YamlFault {
  const read = readRegularFileSync(path, MAX_PROFILE_BYTES);
  if (read.kind === "ok") return decode(read.value);
  return { line: 1, column: 1, reason: `cannot read it: ${withoutCall(read.reason)}` };
}

/** UTF-8, or UTF-16 if a byte order mark says so, as PyYAML decodes. */
function decode(bytes: Uint8Array): string | YamlFault {
  const [first, second] = bytes;
  const utf16 = first === 0xff && second === 0xfe ? "le" : first === 0xfe && second === 0xff ? "be" : null;
  const encoding = utf16 === null ? "utf-8" : `utf-16${utf16}`;
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    const lines = new TextDecoder(encoding).decode(bytes).split("\ufffd")[0]?.split("\n") ?? [];
    const column = (lines.at(-1)?.length ?? 0) + 1;
    return { line: lines.length, column, reason: `the file is not ${encoding.toUpperCase()}` };
  }
}

import { readRegularFileSync } from "../os/read_regular_file.ts";
import { readPlainYaml } from "../values/read_plain_yaml.ts";
import { readYaml, type YamlFault, type YamlFile } from "../values/read_yaml.ts";
import { withoutCall } from "./find_profile_files.ts";
import type { checkProfile } from "./check_profile.ts";
import { profileFromValue } from "./profile_from_value.ts";
import type { Profile, ProfileFault, ProfilePlace, SchemaFault } from "./types.ts";

/** A profile's text, read and checked. */
export interface ProfileFile {
  /** `null` if faults leave none. */
  readonly profile: Profile | null;
  readonly faults: readonly ProfileFault[];
  /**
   * What is odd and does no harm: unknown keys; with `thorough` also keys written twice, which PyYAML takes
   * silently.
   */
  readonly notes: readonly ProfileFault[];
  /** The place of a value in the file; known if `thorough`. */
  readonly positionOf: YamlFile["positionOf"];
}

/** The largest profile that is read, in bytes: real ones have one or two thousand. */
const MAX_PROFILE_BYTES = 256 * 1024;

/**
 * Reads a profile file. Never throws: what is wrong with it, or with reading it, is in the result.
 *
 * @param thorough Also looks for keys written twice. Slower.
 */
export async function readProfile(
  path: string,
  place: ProfilePlace,
  thorough: boolean = false,
): Promise<ProfileFile> {
  const at = (fault: YamlFault): ProfileFault => ({ path: place.path, ...fault });
  const none: ProfileFile = { profile: null, faults: [], notes: [], positionOf: () => START };
  const text = textOf(path);
  if (typeof text !== "string") return { ...none, faults: [at(text)] };
  const check = await loadCheck();
  const plain = thorough ? null : readPlainYaml(text);
  if (plain !== null) {
    const { profile, notes } = profileFromValue(plain, place, check);
    // Faults and notes need their place, which the full reader knows.
    if (profile !== null && notes.length === 0) return { ...none, profile };
  }
  const file = await readYaml(text);
  if (file.value === null) return { ...none, faults: sorted(file.faults.map(at)) };
  const placed = ({ path, atKey, reason }: SchemaFault) =>
    at({ ...file.positionOf(path, atKey ? "key" : undefined), reason });
  const reading = profileFromValue(file.value, place, check);
  return {
    profile: reading.profile,
    faults: sorted(reading.faults.map(placed)),
    notes: sorted([...reading.notes.map(placed), ...file.notes.map(at)]),
    positionOf: file.positionOf,
  };
}

const START = { line: 1, column: 1 };

let loading: Promise<typeof checkProfile> | undefined;

/** The validator, which packed profiles do not need. Even an import that is done takes time for each file. */
async function loadCheck(): Promise<typeof checkProfile> {
  return await (loading ??= import("./check_profile.ts").then((module) => module.checkProfile));
}

/** By place in the file. */
export function sorted(faults: ProfileFault[]): ProfileFault[] {
  return faults.sort((a, b) => a.line - b.line || a.column - b.column);
}

/** A file's text, or why it cannot be read. */
function textOf(path: string): string | YamlFault {
  const read = readRegularFileSync(path, MAX_PROFILE_BYTES);
  if (read.kind === "ok") return decode(read.value);
  return { ...START, reason: `cannot read it: ${withoutCall(read.reason)}` };
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

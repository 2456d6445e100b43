import { readFullYaml, type YamlFault, type YamlFile } from "./yaml/full_yaml.ts";
import { readSimpleYaml } from "./yaml/simple_yaml.ts";
import { profileFromValue, type ProfilePlace } from "./profile_from_value.ts";
import type { Profile, ProfileFault } from "./types.ts";

/** A profile's text, read and checked. */
export interface ProfileFile {
  /** `null` where faults leave none. */
  readonly profile: Profile | null;
  readonly faults: readonly ProfileFault[];
  /** What PyYAML takes silently: keys written twice. Only looked for where `thorough` was asked for. */
  readonly notes: readonly ProfileFault[];
}

/** Options of {@linkcode readProfile}. */
export interface ReadProfileOptions {
  /** Also look for what is odd but harmless. Slower. @default {false} */
  thorough?: boolean;
}

/** The largest profile that is read, in bytes: real ones have one or two thousand. */
export const MAX_PROFILE_BYTES = 256 * 1024;

/** Reads a profile from a file's bytes. Never throws for what is in them. */
export async function readProfile(
  bytes: Uint8Array,
  place: ProfilePlace,
  options: ReadProfileOptions = {},
): Promise<ProfileFile> {
  const at = (fault: YamlFault): ProfileFault => ({ path: place.path, ...fault });
  if (bytes.length > MAX_PROFILE_BYTES) {
    const reason = `the file has ${bytes.length} bytes; a profile has ${MAX_PROFILE_BYTES} at most`;
    return { profile: null, faults: [at({ line: 1, column: 1, reason })], notes: [] };
  }
  const text = decode(bytes);
  if (text === null) {
    return {
      profile: null,
      faults: [at({ ...firstBadByte(bytes), reason: "the file is not UTF-8" })],
      notes: [],
    };
  }
  const simple = options.thorough === true ? null : readSimpleYaml(text);
  if (simple !== null) {
    // The program's own profiles are held to the schema by its tests, not again at each start.
    const reading = profileFromValue(simple, place, place.origin === "embedded" ? null : await checker());
    if (reading.kind === "profile") return { profile: reading.profile, faults: [], notes: [] };
  }
  const file = await readFullYaml(text);
  const notes = file.notes.map(at);
  if (file.value === null) return { profile: null, faults: sorted(file.faults.map(at)), notes };
  const reading = profileFromValue(file.value, place, await checker());
  if (reading.kind === "profile") return { profile: reading.profile, faults: [], notes };
  return { profile: null, faults: sorted(reading.faults.map((fault) => at(placed(fault, file)))), notes };
}

/** The validators are a large module, which the program's own profiles do not need. */
async function checker(): Promise<typeof import("./check_schema.ts").checkSchema> {
  return (await import("./check_schema.ts")).checkSchema;
}

function placed(
  fault: { path: readonly (string | number)[]; atKey: boolean; reason: string },
  file: YamlFile,
): YamlFault {
  return { ...file.positionOf(fault.path, fault.atKey ? "key" : undefined), reason: fault.reason };
}

function sorted(faults: ProfileFault[]): ProfileFault[] {
  return faults.sort((a, b) => a.line - b.line || a.column - b.column);
}

/** UTF-8, or UTF-16 where a byte order mark says so, as PyYAML decodes; `null` where it is not. */
function decode(bytes: Uint8Array): string | null {
  const mark = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : "utf-8";
  try {
    return new TextDecoder(mark, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function firstBadByte(bytes: Uint8Array): { line: number; column: number } {
  let [low, high] = [0, bytes.length];
  // The longest prefix that decodes; a character cut in two by the search counts as good.
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (decodes(bytes.subarray(0, middle))) low = middle;
    else high = middle - 1;
  }
  const before = new TextDecoder().decode(bytes.subarray(0, low));
  return { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
}

function decodes(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

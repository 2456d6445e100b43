import { readYaml, type YamlFault, type YamlFile } from "../values/read_yaml.ts";
import { readPlainYaml } from "../values/read_plain_yaml.ts";
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

/** Reads a profile from a file's bytes or text. Never throws for what is in them. */
export async function readProfile(
  content: Uint8Array | string,
  place: ProfilePlace,
  options: ReadProfileOptions = {},
): Promise<ProfileFile> {
  const at = (fault: YamlFault): ProfileFault => ({ path: place.path, ...fault });
  if (content.length > MAX_PROFILE_BYTES) {
    const reason = `the file has ${content.length} bytes; a profile has ${MAX_PROFILE_BYTES} at most`;
    return { profile: null, faults: [at({ line: 1, column: 1, reason })], notes: [] };
  }
  const text = typeof content === "string" ? content : decode(content);
  if (typeof text !== "string") return { profile: null, faults: [at(text)], notes: [] };
  const simple = options.thorough === true ? null : readPlainYaml(text);
  if (simple !== null) {
    // The program's own profiles are held to the schema by its tests, not again at each start.
    const reading = profileFromValue(simple, place, place.origin === "embedded" ? null : await checker());
    if (reading.kind === "profile") return { profile: reading.profile, faults: [], notes: [] };
  }
  const file = await readYaml(text);
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

/** UTF-8, or UTF-16 where a byte order mark says so, as PyYAML decodes; else where it is not. */
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

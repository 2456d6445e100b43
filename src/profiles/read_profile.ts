import { readRegularFileSync } from "../os/read_regular_file.ts";
import { readPlainYaml } from "../values/read_plain_yaml.ts";
import { readYaml, type YamlFault } from "../values/read_yaml.ts";
import { withoutCall } from "./find_profile_files.ts";
import type { profileFromValue } from "./profile_from_value.ts";
import type { ProfileCheck, ProfileFault, ProfilePlace, Reading, SchemaFault } from "./types.ts";

/** The largest profile that is read, in bytes: real ones have one or two thousand. */
const MAX_PROFILE_BYTES = 256 * 1024;

/**
 * Reads a profile file. Never throws: what is wrong with it, or with reading it, is in the result, in the
 * order of the file.
 *
 * @param check A further check. With one, there are also warnings of keys written twice, which PyYAML
 *   silently accepts.
 */
export async function readProfile(
  path: string,
  place: ProfilePlace,
  check?: ProfileCheck,
): Promise<Reading<ProfileFault>> {
  const inFile = (faults: readonly YamlFault[]): ProfileFault[] =>
    faults.map((fault) => ({ path: place.path, ...fault })).sort(byPlace);
  const text = textOf(path);
  if (typeof text !== "string") return { profile: null, faults: inFile([text]), warnings: [] };
  const fromValue = await loadReader();
  const plain = check === undefined ? readPlainYaml(text) : null;
  if (plain !== null) {
    const read = fromValue(plain, place);
    // Faults and warnings need their position, which only the full reader knows.
    if (read.profile !== null && read.warnings.length === 0) return { ...read, faults: [], warnings: [] };
  }
  const file = await readYaml(text);
  if (file.value === null) return { profile: null, faults: inFile(file.faults), warnings: [] };
  const { profile, faults, warnings } = fromValue(file.value, place);
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

let loading: Promise<typeof profileFromValue> | undefined;

/**
 * Includes the validator, which packed profiles do not need. Cached, since even a repeated import takes time.
 */
function loadReader(): Promise<typeof profileFromValue> {
  return loading ??= import("./profile_from_value.ts").then((module) => module.profileFromValue);
}

export function byPlace(a: ProfileFault, b: ProfileFault): number {
  return a.line - b.line || a.column - b.column;
}

/** UTF-8, or UTF-16 if a byte order mark says so, as PyYAML decodes. */
function textOf(path: string): string | YamlFault {
  const read = readRegularFileSync(path, MAX_PROFILE_BYTES);
  if (read.kind !== "ok") {
    return { line: 1, column: 1, reason: `cannot be read: ${withoutCall(read.reason)}` };
  }
  const [first, second] = read.value;
  const utf16 = first === 0xff && second === 0xfe ? "le" : first === 0xfe && second === 0xff ? "be" : null;
  const encoding = utf16 === null ? "utf-8" : `utf-16${utf16}`;
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(read.value);
  } catch {
    const lines = new TextDecoder(encoding).decode(read.value).split("\ufffd")[0]?.split("\n") ?? [];
    const column = (lines.at(-1)?.length ?? 0) + 1;
    return { line: lines.length, column, reason: `the file is not ${encoding.toUpperCase()}` };
  }
}

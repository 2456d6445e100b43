import type { EngineTable } from "../../src/engine/engine_table.ts";
import { compareVersions, parseVersion } from "../../src/engine/engine_version.ts";

/** vllm_parser.py's description of a release. */
export interface ParserDescription {
  readonly options: Readonly<
    Record<
      string,
      { readonly kind: string; readonly choices: readonly string[] | null; readonly long: string }
    >
  >;
  /** The fields of options whose objects accept no others. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  readonly variables: readonly string[];
}

/**
 * Adds a release to the table.
 *
 * @throws {Error} if it is not a release, is older than the newest in the table, or is the newest and has
 * different options.
 */
export function addRelease(
  table: EngineTable,
  release: string,
  description: ParserDescription,
): EngineTable {
  const releases = table.releases.split(" ").filter((known) => known !== "");
  const previous = releases.at(-1) ?? "";
  const [version, newest] = [parseVersion(release), parseVersion(previous)];
  if (version === null) throw new Error(`"${release}" is not a release; give one such as 0.34.0`);
  const order = newest === null ? 1 : compareVersions(version, newest);
  if (order < 0) {
    throw new Error(
      `${release} is older than ${previous}, the newest in the table: rebuild the table with --unpacked`,
    );
  }
  const options = Object.fromEntries(
    Object.entries(description.options).map(([option, { kind, choices, long }]) => {
      const text = option.startsWith("--")
        ? [kind, ...(choices === null ? [] : [`=${choices.join("|")}`])].join(" ")
        : `>${long.slice(2)}`;
      return [option.replace(/^--/, ""), text];
    }),
  );
  for (const [option, fields] of Object.entries(description.fields)) {
    for (const field of fields) options[`${option.replace(/^--/, "")}.${field}`] = "field";
  }
  const variables = Object.fromEntries(description.variables.map((name) => [name, ""]));
  const added = {
    releases: (order === 0 ? releases : [...releases, release]).join(" "),
    options: merged(table.options, options, previous, release),
    variables: merged(table.variables, variables, previous, release),
  };
  if (order === 0 && JSON.stringify(added) !== JSON.stringify(table)) {
    throw new Error(`${release} is in the table with other options: rebuild the table with --unpacked`);
  }
  return added;
}

function merged(
  known: Readonly<Record<string, string>>,
  found: Readonly<Record<string, string>>,
  previous: string,
  release: string,
): Record<string, string> {
  const names = [...new Set([...Object.keys(known), ...Object.keys(found)])].sort();
  return Object.fromEntries(names.map((name) => {
    const ranges = known[name]?.split("; ") ?? [];
    const last = /^([^- ]+)-( .*)?$/.exec(ranges.at(-1) ?? "");
    const now = found[name];
    const open = last === null ? null : (last[2] ?? "").trim();
    if (now !== undefined && open === now) return [name, ranges.join("; ")];
    const closed = last === null
      ? ranges
      : [...ranges.slice(0, -1), `${last[1]}-${previous}${last[2] ?? ""}`];
    const more = now === undefined ? [] : [`${release}-${now === "" ? "" : ` ${now}`}`];
    return [name, [...closed, ...more].join("; ")];
  }));
}

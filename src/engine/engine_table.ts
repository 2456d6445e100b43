import { compareVersions, type EngineVersion, parseVersion } from "./engine_version.ts";

/** What the releases of an engine take, as `tests/vllm/make_table.ts` writes it. */
export interface EngineTable {
  /** The releases that were read, oldest first, separated by spaces. */
  readonly releases: string;
  /**
   * By option, without its two dashes (short ones with their one): ranges of releases, separated by `; `,
   * each `FROM-TO KIND [?|+|N|append] [=CHOICE|CHOICE…]`. Without `TO`: up to the newest. For a short option,
   * `>` and the long one. The fields of an option whose object can have no others are `OPTION.FIELD`, of kind
   * `field`.
   */
  readonly options: Readonly<Record<string, string>>;
  /** By environment variable: a range of releases. */
  readonly variables: Readonly<Record<string, string>>;
}

/** How an option takes its value. */
export interface OptionShape {
  /**
   * `flag`, `int`, `float`, `human-int`, `human-int-or-auto`, `json`, `object`, `object-or-int`,
   * `object-or-pairs`, `text`.
   */
  readonly kind: string;
  /** `""` and `None` stand for no value. */
  readonly optional: boolean;
  /** `1`, `?` (may be bare), `+` (one or more), `append` (given once for each value), or a count. */
  readonly values: string;
  /** `null`: any value of its kind. */
  readonly choices: readonly string[] | null;
}

/** An option in some releases. */
export interface OptionRange extends ReleaseRange {
  /** For a short option: the long one. */
  readonly long: string | null;
  readonly shape: OptionShape;
}

/** Releases from one to another, both included; `to` is `null` if the newest one is in it. */
export interface ReleaseRange {
  readonly from: string;
  readonly to: string | null;
}

/** The releases of a table, oldest first. */
export function releasesOf(table: EngineTable): readonly string[] {
  let releases = split.get(table);
  if (releases === undefined) split.set(table, releases = table.releases.split(" "));
  return releases;
}

const split = new WeakMap<EngineTable, readonly string[]>();

/** An option's ranges, oldest first; `null` if no release has it. */
export function optionRanges(table: EngineTable, name: string): OptionRange[] | null {
  const text = Object.hasOwn(table.options, name) ? table.options[name] : undefined;
  return text === undefined ? null : text.split("; ").map(parseRange);
}

/** A variable's releases; `null` if no release has it. */
export function variableRange(table: EngineTable, name: string): ReleaseRange | null {
  const text = Object.hasOwn(table.variables, name) ? table.variables[name] : undefined;
  return text === undefined ? null : releaseRange(text);
}

function parseRange(text: string): OptionRange {
  const [releases = "", kind = "", ...rest] = text.split(" ");
  const choices = rest.find((word) => word.startsWith("="));
  return {
    ...releaseRange(releases),
    long: kind.startsWith(">") ? kind.slice(1) : null,
    shape: {
      kind: kind.replace(/\?$/, ""),
      optional: kind.endsWith("?"),
      values: rest.find((word) => !word.startsWith("=")) ?? "1",
      choices: choices === undefined ? null : choices.slice(1).split("|"),
    },
  };
}

function releaseRange(text: string): ReleaseRange {
  const [from = "", to = ""] = text.split("-");
  return { from, to: to === "" ? null : to };
}

/**
 * The releases that an installed version may be like: its own, else, between two releases, the older one. A
 * development build goes by the next release and the one after, too: it has some of what these have.
 */
export function releasesLike(table: EngineTable, version: EngineVersion | null): string[] {
  const releases = releasesOf(table);
  const newest = releases.slice(-1);
  if (version === null) return newest;
  const older = releases.filter((release) => compareVersions(parse(release), version) <= 0);
  const newer = releases.slice(older.length);
  const at = older.slice(-1);
  if (!version.development) return at.length > 0 ? at : releases.slice(0, 1);
  const nextMinor = newer.find((release) => parse(release).numbers[1] !== version.numbers[1]);
  return [...new Set([...at, ...newer.slice(0, 1), ...(nextMinor === undefined ? [] : [nextMinor])])];
}

/** True if one of a table's releases is in a range. */
export function isIn(table: EngineTable, range: ReleaseRange, release: string): boolean {
  const releases = releasesOf(table);
  const at = releases.indexOf(release);
  return releases.indexOf(range.from) <= at && (range.to === null || at <= releases.indexOf(range.to));
}

/** Why releases do not have what these ranges are of: `gone since 0.18.0`, or `comes with 0.14.0`. */
export function whyAbsent(
  table: EngineTable,
  ranges: readonly ReleaseRange[],
  like: readonly string[],
): string {
  const releases = releasesOf(table);
  const at = releases.indexOf(like.at(-1) ?? "");
  const next = ranges.find((range) => releases.indexOf(range.from) > at);
  if (next !== undefined) return `comes with ${next.from}`;
  const end = ranges.at(-1)?.to ?? null;
  return end === null ? "absent" : `gone since ${releases[releases.indexOf(end) + 1] ?? end}`;
}

function parse(release: string): EngineVersion {
  const version = parseVersion(release);
  if (version === null) throw new TypeError(`${release} is not a version`);
  return version;
}

import { compareVersions, type EngineVersion, parseVersion } from "./engine_version.ts";
import vllmTable from "./vllm_table.json" with { type: "text" };

/** The options and variables of an engine's releases, written by `tests/vllm/make_table.ts`. */
export interface EngineTable {
  /** The releases that were read, oldest first, separated by spaces. */
  readonly releases: string;
  /**
   * By option, without its two dashes (short ones with their single dash): ranges of releases, separated by
   * `; `, each `FROM-[TO] KIND [?|+|N|append] [=CHOICE|CHOICE…]`, or `>` and the long option for a short one.
   * `OPTION.FIELD`, of kind `field`: the fields of an object that accepts no others.
   */
  readonly options: Readonly<Record<string, string>>;
  /** By environment variable: ranges of releases. */
  readonly variables: Readonly<Record<string, string>>;
}

export type TableKind = "options" | "variables";

/** Imported as text, since V8 reads JSON several times as fast as an object literal of this size. */
export const VLLM_TABLE: EngineTable = JSON.parse(vllmTable);

/** An option or a variable in some releases. */
export interface ReleaseRange {
  readonly from: string;
  /** `null` if the newest release is in it. */
  readonly to: string | null;
  /** For a short option: the long one. */
  readonly long: string | null;
  /** `flag`, `text`, or a kind in `refused_value.ts`. */
  readonly kind: string;
  /** `""` and `None` stand for no value. */
  readonly optional: boolean;
  /** `1`, `?` (may be bare), `+` (one or more), `append` (repeated for each value), or a count. */
  readonly values: string;
  /** `null`: any value of its kind. */
  readonly choices: readonly string[] | null;
}

/** A table as seen from one version of the engine. */
export class VersionTable {
  readonly #releases: readonly string[];
  /**
   * The releases that the version may match, oldest first: its own, or the one before it. A development build
   * may also match the next two, since it has some of their changes.
   */
  readonly like: readonly string[];

  /** @param version `null`: the newest release. */
  constructor(readonly version: EngineVersion | null, readonly table: EngineTable = VLLM_TABLE) {
    this.#releases = table.releases.split(" ");
    this.like = version === null ? [this.newest] : releasesLike(version, this.#releases);
  }

  /** The newest release in the table. */
  get newest(): string {
    return this.#releases.at(-1) ?? "";
  }

  /** How messages name the version. */
  get label(): string {
    return `vLLM ${this.version?.text ?? this.newest}`;
  }

  /** True if the table includes this version: what it refuses is then certain. */
  get isExact(): boolean {
    const { version } = this;
    return version !== null && !version.development &&
      this.#releases.some((release) => compareVersions(parse(release), version) === 0);
  }

  /** The ranges of an option or a variable that include the version; none if the version lacks it. */
  ranges(kind: TableKind, name: string): ReleaseRange[] {
    return rangesOf(this.table[kind], name).filter(({ from, to }) =>
      this.like.some((release) => {
        const at = this.#indexOf(release);
        return this.#indexOf(from) <= at && (to === null || at <= this.#indexOf(to));
      })
    );
  }

  /** Why the version has none of these ranges: `removed in 0.18.0`, or `added in 0.14.0`. */
  whyAbsent(ranges: readonly ReleaseRange[]): string {
    const at = this.#indexOf(this.like.at(-1) ?? "");
    const next = ranges.find(({ from }) => this.#indexOf(from) > at);
    if (next !== undefined) return `added in ${next.from}`;
    const end = ranges.at(-1)?.to ?? null;
    return end === null ? "absent" : `removed in ${this.#releases[this.#indexOf(end) + 1] ?? end}`;
  }

  #indexOf(release: string): number {
    return this.#releases.indexOf(release);
  }
}

/** The ranges of an option or a variable, oldest first; none if no release has it. */
export function rangesOf(rows: Readonly<Record<string, string>>, name: string): ReleaseRange[] {
  const text = Object.hasOwn(rows, name) ? rows[name] : undefined;
  return text?.split("; ").map(parseRange) ?? [];
}

function parseRange(text: string): ReleaseRange {
  const [releases = "", kind = "", ...rest] = text.split(" ");
  const [from = "", to = ""] = releases.split("-");
  const choices = rest.find((word) => word.startsWith("="));
  return {
    from,
    to: to === "" ? null : to,
    long: kind.startsWith(">") ? kind.slice(1) : null,
    kind: kind.replace(/\?$/, ""),
    optional: kind.endsWith("?"),
    values: rest.find((word) => !word.startsWith("=")) ?? "1",
    choices: choices?.slice(1).split("|") ?? null,
  };
}

function releasesLike(version: EngineVersion, releases: readonly string[]): string[] {
  const older = releases.filter((release) => compareVersions(parse(release), version) <= 0);
  const newer = releases.slice(older.length);
  const at = older.slice(-1);
  if (!version.development) return at.length > 0 ? at : releases.slice(0, 1);
  const nextMinor = newer.find((release) => parse(release).numbers[1] !== version.numbers[1]);
  return [...new Set([...at, ...newer.slice(0, 1), ...(nextMinor === undefined ? [] : [nextMinor])])];
}

function parse(release: string): EngineVersion {
  const version = parseVersion(release);
  if (version === null) throw new TypeError(`${release} is not a version`);
  return version;
}

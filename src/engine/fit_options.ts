import { nearest } from "../config/nearest.ts";
import type { ConfigMap, ConfigValue } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";
import {
  type EngineTable,
  isIn,
  optionRanges,
  type OptionShape,
  releasesLike,
  releasesOf,
  whyAbsent,
} from "./engine_table.ts";
import { compareVersions, type EngineVersion, parseVersion } from "./engine_version.ts";
import { renamedOption } from "./renamed_options.ts";
import { refusedValue } from "./refused_value.ts";

/** Arguments that a version of the engine takes, and what was done to make them so. */
export interface FittedOptions {
  readonly args: ConfigMap;
  /** One line each. */
  readonly warnings: readonly string[];
  /** What no version takes, or the installed one refuses. */
  readonly faults: readonly OptionFault[];
}

/** An argument that would end the engine. */
export interface OptionFault {
  /** The argument, as it is spelled. */
  readonly name: string;
  /** One clause that names argument and value. */
  readonly reason: string;
}

/**
 * Holds arguments to what a version of the engine takes. An option that the version does not have is left out; one that it has under
 * another name gets that name where the meaning is the same; a name that no release has is passed on.
 *
 * @param args By canonical names, as `mergeEngineArgs` gives them.
 * @param version `null`: not known; the newest release's options count, and values are only refused where every release refuses them.
 */
export function fitOptions(
  args: ConfigMap,
  table: EngineTable,
  version: EngineVersion | null,
): FittedOptions {
  const like = releasesLike(table, version);
  const fitted = new Map<string, ConfigValue>();
  const warnings: string[] = [];
  const faults: OptionFault[] = [];
  const gone: string[] = [];
  for (const [name, value] of args) {
    const bad = badName(name);
    if (bad !== null) {
      faults.push({ name, reason: bad });
      continue;
    }
    if (/^O\d?$/.test(name) || name.startsWith("O.")) {
      fitted.set(name, value);
      continue;
    }
    const option = name.split(".", 1)[0] ?? name;
    const ranges = optionRanges(table, option);
    const known = ranges?.filter((range) => like.some((release) => isIn(range, release))) ?? [];
    const renamed = renamedOption(
      name,
      value,
      (other) =>
        optionRanges(table, other)?.some((range) => like.some((release) => isIn(range, release))) === true,
      like,
    );
    if (renamed !== null) {
      warnings.push(`${name} is ${renamed.name} in ${label(version, like)}: ${renamed.reason}`);
      fitted.set(renamed.name, renamed.value);
      continue;
    }
    if (ranges === null) {
      const near = nearest(option, Object.keys(table.options).filter((known) => !known.startsWith("-")));
      warnings.push(
        `no release of vLLM up to ${releasesOf(table).at(-1)} has ${option}${
          near === null ? "" : ` (did you mean ${near}?)`
        }; it is passed on`,
      );
      fitted.set(name, value);
      continue;
    }
    if (known.length === 0) {
      gone.push(`${option} (${whyAbsent(table, ranges, like)})`);
      continue;
    }
    if (name !== option) {
      fitted.set(name, value);
      continue;
    }
    const reasons = known.map(({ shape }) => refusedValue(value, shape));
    const [reason] = reasons;
    if (reason === undefined || reasons.includes(null)) {
      fitted.set(name, asJsonText(value, known.map(({ shape }) => shape)));
      continue;
    }
    const elsewhere = ranges.find(({ shape }) => refusedValue(value, shape) === null);
    if (elsewhere === undefined) faults.push({ name, reason: `${name} ${reason}` });
    else if (isExact(table, version)) {
      const releases = elsewhere.to === null
        ? `${elsewhere.from} and later take it`
        : `${elsewhere.from} to ${elsewhere.to} take it`;
      faults.push({ name, reason: `${name} ${reason} in vLLM ${version?.text} (${releases})` });
    } else {
      warnings.push(`${name} ${reason} in vLLM ${like.at(-1)}; it is passed on`);
      fitted.set(name, value);
    }
  }
  if (gone.length > 0) {
    warnings.push(`left out, since ${label(version, like)} does not have it: ${gone.join(", ")}`);
  }
  return { args: fitted, warnings, faults };
}

/** How messages call the version that arguments are fitted to. */
function label(version: EngineVersion | null, like: readonly string[]): string {
  return `vLLM ${version?.text ?? like.at(-1)}`;
}

/** True where the version is one that the table was made from: what it refuses is then certain. */
function isExact(table: EngineTable, version: EngineVersion | null): boolean {
  return version !== null && !version.development &&
    releasesOf(table).some((release) => {
      const parsed = parseVersion(release);
      return parsed !== null && compareVersions(parsed, version) === 0;
    });
}

function badName(name: string): string | null {
  if (name === "") return 'has "" as the name of an argument';
  if (name.startsWith("-")) {
    return `${JSON.stringify(name)} has dashes of its own: write ${JSON.stringify(name.replace(/^-+/, ""))}`;
  }
  return /^[\w.+-]+$/.test(name) ? null : `${JSON.stringify(name)} cannot be the name of an argument`;
}

/** An option that takes one JSON text gets a list as such. */
function asJsonText(value: ConfigValue, shapes: readonly OptionShape[]): ConfigValue {
  return Array.isArray(value) && shapes.every(({ kind, values }) => kind === "json" && values === "1")
    ? pythonJson(value)
    : value;
}

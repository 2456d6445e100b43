import { nearest } from "../config/nearest.ts";
import { readJson } from "../values/read_json.ts";
import { type ConfigMap, type ConfigValue, isMap } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";
import {
  type EngineTable,
  isIn,
  type OptionRange,
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
 * Holds arguments to what a version of the engine takes. An option that the version does not have is left
 * out; one that it has under another name gets that name if the meaning is the same; a name that no
 * release has is passed on.
 *
 * @param args By canonical names, as `mergeEngineArgs` gives them.
 * @param version `null`: not known; the newest release's options count, and values are only refused if
 *   every release refuses them.
 */
export function fitOptions(
  args: ConfigMap,
  table: EngineTable,
  version: EngineVersion | null,
): FittedOptions {
  const target: Target = { table, version, like: releasesLike(table, version) };
  const fitted = new Map<string, ConfigValue>();
  const warnings: string[] = [];
  const faults: OptionFault[] = [];
  const gone: string[] = [];
  for (const [name, value] of args) {
    const outcome = fitOption(name, value, target);
    if (outcome.kind === "fault") faults.push({ name, reason: outcome.reason });
    else if (outcome.kind === "gone") gone.push(outcome.what);
    else {
      fitted.set(outcome.name, outcome.value);
      warnings.push(...outcome.warnings);
      gone.push(...outcome.gone);
    }
  }
  if (gone.length > 0) {
    warnings.push(`left out, since ${label(target)} does not have it: ${gone.join(", ")}`);
  }
  return { args: fitted, warnings, faults };
}

/** What arguments are fitted to. */
interface Target {
  readonly table: EngineTable;
  readonly version: EngineVersion | null;
  /** The releases that the version is like. */
  readonly like: readonly string[];
}

type Outcome =
  | { readonly kind: "fault"; readonly reason: string }
  | { readonly kind: "gone"; readonly what: string }
  | {
    readonly kind: "fits";
    readonly name: string;
    readonly value: ConfigValue;
    readonly warnings: readonly string[];
    /** Parts of the value that are left out. */
    readonly gone: readonly string[];
  };

const fits = (name: string, value: ConfigValue, warnings: string[] = [], gone: string[] = []): Outcome => ({
  kind: "fits",
  name,
  value,
  warnings,
  gone,
});

function fitOption(name: string, value: ConfigValue, target: Target): Outcome {
  const { table, like } = target;
  const bad = badName(name);
  if (bad !== null) return { kind: "fault", reason: bad };
  // vLLM's parser turns each form of -O into an option of the version's own.
  if (/^O(?:\d?$|\.)/.test(name)) return fits(name, value);
  const renamed = renamedOption(name, value, (other) => rangesNow(other, target).length > 0, like);
  if (renamed !== null) {
    return fits(renamed.name, renamed.value, [
      `${name} is ${renamed.name} in ${label(target)}: ${renamed.reason}`,
    ]);
  }
  const option = name.split(".", 1)[0] ?? name;
  const ranges = optionRanges(table, option);
  if (ranges === null) return fits(name, value, [unknown(option, target)]);
  const now = rangesNow(option, target);
  if (now.length === 0) return { kind: "gone", what: `${option} (${whyAbsent(table, ranges, like)})` };
  if (name !== option) {
    const field = fitField(option, name.slice(option.length + 1), target);
    return field.gone === null
      ? fits(name, value, field.warning === null ? [] : [field.warning])
      : { kind: "gone", what: field.gone };
  }
  const shapes = now.map(({ shape }) => shape);
  const reasons = shapes.map((shape) => refusedValue(value, shape));
  const reason = reasons.includes(null) ? null : reasons[0] ?? null;
  if (reason === null) return fitFields(name, asJsonText(value, shapes), target);
  const elsewhere = ranges.find(({ shape }) => refusedValue(value, shape) === null);
  if (elsewhere === undefined) return { kind: "fault", reason: `${name} ${reason}` };
  if (!isExact(target)) {
    return fits(name, value, [`${name} ${reason} in vLLM ${like.at(-1)}; it is passed on`]);
  }
  const releases = elsewhere.to === null
    ? `${elsewhere.from} and later take it`
    : `${elsewhere.from} to ${elsewhere.to} take it`;
  return { kind: "fault", reason: `${name} ${reason} in ${label(target)} (${releases})` };
}

/** An object without the fields that the version does not have. */
function fitFields(name: string, value: ConfigValue, target: Target): Outcome {
  const object = typeof value === "string" && value.trimStart().startsWith("{") ? objectOf(value) : value;
  if (object === null || !isMap(object)) return fits(name, value);
  const warnings: string[] = [];
  const gone: string[] = [];
  const kept = new Map<string, ConfigValue>();
  for (const [key, item] of object) {
    const field = fitField(name, key, target);
    if (field.warning !== null) warnings.push(field.warning);
    if (field.gone === null) kept.set(key, item);
    else gone.push(field.gone);
  }
  return fits(name, gone.length === 0 ? value : kept, warnings, gone);
}

/** A field of an option's object: `gone` says why the version does not have it. */
function fitField(
  option: string,
  path: string,
  target: Target,
): { gone: string | null; warning: string | null } {
  const { table, like } = target;
  const name = `${option}.${path.split(/[.+]/, 1)[0]}`;
  const isClosed = Object.keys(table.options).some((other) =>
    other.startsWith(`${option}.`) && rangesNow(other, target).length > 0
  );
  if (!isClosed || rangesNow(name, target).length > 0) return { gone: null, warning: null };
  const ranges = optionRanges(table, name);
  return ranges === null
    ? { gone: null, warning: unknown(name, target) }
    : { gone: `${name} (${whyAbsent(table, ranges, like)})`, warning: null };
}

function objectOf(text: string): ConfigValue {
  try {
    return readJson(text);
  } catch {
    return null;
  }
}

function rangesNow(name: string, { table, like }: Target): OptionRange[] {
  return optionRanges(table, name)?.filter((range) => like.some((release) => isIn(table, range, release))) ??
    [];
}

function unknown(name: string, { table }: Target): string {
  const isField = name.includes(".");
  const known = Object.keys(table.options).filter((other) =>
    !other.startsWith("-") && other.includes(".") === isField
  );
  const near = nearest(name, known);
  return `no release of vLLM up to ${releasesOf(table).at(-1)} has ${name}${
    near === null ? "" : ` (did you mean ${near}?)`
  }; it is passed on`;
}

/** How messages call the version that arguments are fitted to. */
function label({ version, like }: Target): string {
  return `vLLM ${version?.text ?? like.at(-1)}`;
}

/** True if the version is one that the table was made from: what it refuses is then certain. */
function isExact({ table, version }: Target): boolean {
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

import { didYouMean } from "../config/nearest.ts";
import { readJson } from "../values/read_json.ts";
import { type ConfigMap, type ConfigValue, isMap } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";
import { type OptionShape, rangesOf, type VersionTable } from "./engine_table.ts";
import { refusedValue } from "./refused_value.ts";
import { renamedOption } from "./renamed_options.ts";

/** Arguments that a version of the engine takes, and what was done to make them so. */
export interface FittedOptions {
  readonly args: Map<string, ConfigValue>;
  readonly warnings: string[];
  /** What no version takes, or the installed one refuses. */
  readonly faults: OptionFault[];
  /** What is left out, each with the reason. */
  readonly gone: string[];
}

/** An argument that would end the engine. */
export interface OptionFault {
  /** The argument, as it is spelled. */
  readonly name: string;
  /** One clause that names argument and value. */
  readonly reason: string;
}

/**
 * Fits arguments to a version of the engine. An option that the version does not have is left out; one that
 * it has under another name gets that name if the meaning is the same; a name that no release has is passed
 * on. If the version is not known, a value is only refused if every release refuses it.
 *
 * @param args By canonical names, as `mergeEngineArgs` gives them.
 */
export function fitOptions(args: ConfigMap, version: VersionTable): FittedOptions {
  const fitted: FittedOptions = { args: new Map(), warnings: [], faults: [], gone: [] };
  for (const [name, value] of args) fitOption(name, value, version, fitted);
  return fitted;
}

function fitOption(name: string, value: ConfigValue, version: VersionTable, fitted: FittedOptions): void {
  const { args, warnings, faults, gone } = fitted;
  const refuse = (reason: string) => faults.push({ name, reason });
  const bad = badName(name);
  if (bad !== null) return void refuse(bad);
  // vLLM's parser turns each form of -O into an option of the version's own.
  if (/^O(?:\d?$|\.)/.test(name)) return void args.set(name, value);
  const renamed = renamedOption(name, value, version);
  if (renamed !== null) {
    warnings.push(`${name} is ${renamed.name} in ${version.label}: ${renamed.reason}`);
    return void args.set(renamed.name, renamed.value);
  }
  const [option = name, field] = name.split(/\.(.*)/s);
  const ranges = rangesOf(version.table.options, option);
  const now = version.option(option);
  if (ranges.length === 0) {
    warnings.push(unknown(option, version));
    args.set(name, value);
  } else if (now.length === 0) gone.push(`${option} (${version.whyAbsent(ranges)})`);
  else if (field !== undefined) {
    if (hasField(option, field, version, fitted)) args.set(name, value);
  } else {
    const shapes = now.map(({ shape }) => shape);
    const reasons = shapes.map((shape) => refusedValue(value, shape));
    const [reason] = reasons;
    const elsewhere = ranges.find(({ shape }) => refusedValue(value, shape) === null);
    if (reasons.includes(null)) {
      args.set(name, withoutGoneFields(name, asJsonText(value, shapes), version, fitted));
    } else if (elsewhere === undefined) refuse(`${name} ${reason}`);
    else if (!version.isExact) {
      warnings.push(`${name} ${reason} in vLLM ${version.like.at(-1)}; it is passed on`);
      args.set(name, value);
    } else {
      const { from, to } = elsewhere;
      const releases = to === null ? `${from} and later take it` : `${from} to ${to} take it`;
      refuse(`${name} ${reason} in ${version.label} (${releases})`);
    }
  }
}

/** An object without the fields that the version does not have. */
function withoutGoneFields(
  name: string,
  value: ConfigValue,
  version: VersionTable,
  fitted: FittedOptions,
): ConfigValue {
  const object = typeof value === "string" && value.trimStart().startsWith("{") ? objectOf(value) : value;
  if (object === null || !isMap(object)) return value;
  const kept = new Map([...object].filter(([field]) => hasField(name, field, version, fitted)));
  return kept.size === object.size ? value : kept;
}

/** False, and said so in `gone`, if the version does not have a field of an option's object. */
function hasField(
  option: string,
  path: string,
  version: VersionTable,
  { warnings, gone }: FittedOptions,
): boolean {
  const name = `${option}.${path.split(/[.+]/, 1)[0]}`;
  const { options } = version.table;
  const isClosed = Object.keys(options).some((other) =>
    other.startsWith(`${option}.`) && version.option(other).length > 0
  );
  if (!isClosed || version.option(name).length > 0) return true;
  const ranges = rangesOf(options, name);
  if (ranges.length === 0) warnings.push(unknown(name, version));
  else gone.push(`${name} (${version.whyAbsent(ranges)})`);
  return ranges.length === 0;
}

function objectOf(text: string): ConfigValue {
  try {
    return readJson(text);
  } catch {
    return null;
  }
}

function unknown(name: string, { table, newest }: VersionTable): string {
  const isField = name.includes(".");
  const known = Object.keys(table.options).filter((other) =>
    !other.startsWith("-") && other.includes(".") === isField
  );
  return `no release of vLLM up to ${newest} has ${name}${didYouMean(name, known)}; it is passed on`;
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

import { didYouMean } from "../config/nearest.ts";
import { readJson } from "../values/read_json.ts";
import { type ConfigMap, type ConfigValue, isList, isMap } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";
import { type ArgumentSource, type GivenArgument, mergeEngineArgs, type SystemArgs } from "./engine_args.ts";
import { rangesOf, type TableKind, VersionTable, VLLM_TABLE } from "./engine_table.ts";
import type { EngineVersion } from "./engine_version.ts";
import { refusedValue } from "./refused_value.ts";
import { renamedOption } from "./renamed_options.ts";

/** What vLLM gets. */
export interface FittedToVllm {
  readonly args: ConfigMap;
  readonly variables: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
  /** What no version accepts, or the installed one refuses: the engine would exit. */
  readonly faults: readonly OptionFault[];
}

export interface OptionFault {
  /** `undefined`: aim itself set it. */
  readonly given: GivenArgument | undefined;
  /** One clause that names argument and value. */
  readonly reason: string;
}

/**
 * Merges arguments and fits them, and a profile's variables, to a version of vLLM. What the version lacks is
 * left out; what it renamed without changing its meaning gets the new name; a name that no release has is
 * passed on. A value that only other releases accept is a fault only if the table includes the version.
 *
 * @param version `null`: the newest release in the table.
 * @throws {AimError} what {@linkcode mergeEngineArgs} throws.
 */
export function fitToVllm(
  sources: readonly ArgumentSource[],
  system: SystemArgs,
  variables: ReadonlyMap<string, string>,
  version: EngineVersion | null,
): FittedToVllm {
  const merged = mergeEngineArgs(sources, system, longName);
  const fitting = new Fitting(new VersionTable(version));
  for (const [name, value] of merged.args) fitting.addOption(name, value);
  for (const [name, value] of variables) fitting.addVariable(name, value, variables);
  return {
    args: fitting.args,
    variables: fitting.variables,
    faults: fitting.faults.map(([name, reason]) => ({ given: merged.given.get(name), reason })),
    warnings: [...merged.warnings, ...fitting.allWarnings()],
  };
}

/** `tensor-parallel-size` for `tp`. */
function longName(name: string): string | null {
  return Object.hasOwn(VLLM_TABLE.options, name)
    ? null
    : rangesOf(VLLM_TABLE.options, `-${name}`).at(-1)?.long ?? null;
}

/** Variables that vLLM renamed without changing what they mean. */
const RENAMED: Readonly<Record<string, string>> = {
  // AMD's own builds of 0.10 and 0.11 had the first one.
  VLLM_USE_AITER_TRITON_ROPE: "VLLM_ROCM_USE_AITER_TRITON_ROPE",
  VLLM_ROCM_USE_TRITON_ROPE: "VLLM_ROCM_USE_AITER_TRITON_ROPE",
  VLLM_USE_AITER_UNIFIED_ATTENTION: "VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION",
};

class Fitting {
  readonly args = new Map<string, ConfigValue>();
  readonly variables = new Map<string, string>();
  /** Canonical names, each with the reason. */
  readonly faults: [name: string, reason: string][] = [];
  readonly #warnings: string[] = [];
  /** What is left out, each with the reason. */
  readonly #gone: Record<TableKind, string[]> = { options: [], variables: [] };

  constructor(readonly version: VersionTable) {}

  allWarnings(): string[] {
    const leftOut = (kind: TableKind, verb: string) => {
      const why = `left out, since ${this.version.label} does not ${verb} it`;
      return this.#gone[kind].length === 0 ? [] : [`${why}: ${this.#gone[kind].join(", ")}`];
    };
    return [...this.#warnings, ...leftOut("options", "have"), ...leftOut("variables", "read")];
  }

  addOption(name: string, value: ConfigValue): void {
    const bad = badName(name);
    if (bad !== null) return void this.faults.push([name, bad]);
    // vLLM's parser turns each form of -O into an option of that version.
    if (/^O(?:\d?$|\.)/.test(name)) return void this.args.set(name, value);
    const renamed = renamedOption(name, value, this.version);
    if (renamed !== null) {
      this.#warnings.push(`${name} is ${renamed.name} in ${this.version.label}: ${renamed.reason}`);
      return void this.args.set(renamed.name, renamed.value);
    }
    const [option = name, field] = name.split(/\.(.*)/s);
    if (!this.#has("options", option)) return;
    if (field === undefined) {
      if (this.#takes(name, value)) this.args.set(name, this.#asTaken(name, value));
    } else if (this.#hasField(option, field)) this.args.set(name, value);
  }

  /** Only `VLLM_*` variables are compared with the version. */
  addVariable(name: string, value: string, given: ReadonlyMap<string, string>): void {
    const renamed = RENAMED[name];
    const reads = (one: string) => this.version.ranges("variables", one).length > 0;
    if (renamed !== undefined && !reads(name) && reads(renamed)) {
      if (!given.has(renamed)) this.variables.set(renamed, value);
    } else if (!name.startsWith("VLLM_") || this.#has("variables", name)) this.variables.set(name, value);
  }

  /** False, with a note, if only other releases have it. A name that no release has is passed on. */
  #has(kind: TableKind, name: string): boolean {
    const { version } = this;
    if (version.ranges(kind, name).length > 0) return true;
    const rows = version.table[kind];
    const ranges = rangesOf(rows, name);
    if (ranges.length > 0) {
      this.#gone[kind].push(`${name} (${version.whyAbsent(ranges)})`);
      return false;
    }
    const isField = name.includes(".");
    const known = Object.keys(rows).filter((one) => !one.startsWith("-") && one.includes(".") === isField);
    const verb = kind === "options" ? "has" : "reads";
    const meant = didYouMean(name, known);
    this.#warnings.push(
      `no release of vLLM up to ${version.newest} ${verb} ${name}${meant}; it is passed on`,
    );
    return true;
  }

  /** Whether the version has a field of an option's object. */
  #hasField(option: string, path: string): boolean {
    const isClosed = Object.keys(this.version.table.options).some((other) =>
      other.startsWith(`${option}.`) && this.version.ranges("options", other).length > 0
    );
    return !isClosed || this.#has("options", `${option}.${path.split(/[.+]/, 1)[0]}`);
  }

  /** False, with a fault, if the version (or every release that it may match) refuses the value. */
  #takes(name: string, value: ConfigValue): boolean {
    const { version } = this;
    const reasons = version.ranges("options", name).map((range) => refusedValue(value, range));
    const [reason] = reasons;
    if (reason === undefined || reasons.includes(null)) return true;
    const elsewhere = rangesOf(version.table.options, name)
      .find((range) => refusedValue(value, range) === null);
    if (elsewhere === undefined) {
      this.faults.push([name, `${name} ${reason}`]);
      return false;
    }
    if (!version.isExact) {
      this.#warnings.push(`${name} ${reason} in vLLM ${version.like.at(-1)}; it is passed on`);
      return true;
    }
    const { from, to } = elsewhere;
    const releases = to === null ? `${from} and later take it` : `${from} to ${to} take it`;
    this.faults.push([name, `${name} ${reason} in ${version.label} (${releases})`]);
    return false;
  }

  /** A list as text if the option takes one JSON text; an object without fields that the version lacks. */
  #asTaken(name: string, value: ConfigValue): ConfigValue {
    const ranges = this.version.ranges("options", name);
    const isJson = ranges.length > 0 && ranges.every(({ kind, values }) => kind === "json" && values === "1");
    if (isList(value) && isJson) return pythonJson(value);
    const object = typeof value === "string" && value.trimStart().startsWith("{") ? parsed(value) : value;
    if (!isMap(object)) return value;
    const kept = new Map([...object].filter(([field]) => this.#hasField(name, field)));
    return kept.size === object.size ? value : kept;
  }
}

function parsed(text: string): ConfigValue {
  try {
    return readJson(text);
  } catch {
    return null;
  }
}

function badName(name: string): string | null {
  if (name === "") return "has an empty name";
  if (name.startsWith("-")) {
    return `${JSON.stringify(name)} starts with dashes: write ${JSON.stringify(name.replace(/^-+/, ""))}`;
  }
  return /^[\w.+-]+$/.test(name) ? null : `${JSON.stringify(name)} is not a valid name`;
}

const LOAD_STRATEGY = "safetensors-load-strategy";

/**
 * Arguments for weights on a network file system, where vLLM's default (mapping files into memory) reads page
 * by page: adds its option to read ahead, if the version has it and it is not set.
 */
export function withReadAhead(args: ConfigMap, version: EngineVersion | null): ConfigMap {
  const choices = new VersionTable(version).ranges("options", LOAD_STRATEGY).at(-1)?.choices;
  if (choices === undefined || args.has(LOAD_STRATEGY)) return args;
  return new Map([...args, [LOAD_STRATEGY, choices?.includes("prefetch") === true ? "prefetch" : "eager"]]);
}

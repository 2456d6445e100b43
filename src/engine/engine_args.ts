import { AimError } from "../errors/aim_error.ts";
import { type ConfigMap, type ConfigValue, isList, isNumberLiteral, numberLiteral } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";
import type { ServingEngine } from "./serving_engine.ts";

/** Arguments from one place. */
export interface ArgumentSource {
  /** As messages name it: `AIM_ENGINE_ARGS`. */
  readonly name: string;
  readonly args: ConfigMap;
  /** Who can correct it. */
  readonly kind: "profile" | "user";
}

/** An argument as its source spells it. */
export interface GivenArgument {
  readonly name: string;
  readonly source: ArgumentSource;
}

/** Arguments that aim itself sets: they override the profile's and the user's. */
export interface SystemArgs {
  readonly port: number;
  /** For clients: the model's id, then `AIM_ID` or `AIM_MODEL_ID`. Empty if the engine has no such names. */
  readonly servedModelNames: readonly string[];
  /** Every spelling of the model that is loaded: a profile may repeat one of them. */
  readonly models: readonly string[];
}

/**
 * The engine's arguments: each source overrides the sources before it, aim's own override all; served names
 * are added to aim's. As in a Python dict, a replaced argument keeps its position.
 *
 * @param longName The long name of a short one (`tp`); `null` for any other.
 * @returns Arguments by canonical names, where each was given last, and warnings of one line each.
 * @throws {AimError} `usage` if the user names the model, or a profile names another one.
 */
export function mergeEngineArgs(
  sources: readonly ArgumentSource[],
  system: SystemArgs,
  longName: (name: string) => string | null = () => null,
): { args: ConfigMap; given: ReadonlyMap<string, GivenArgument>; warnings: string[] } {
  const merged = new Map<string, ConfigValue>();
  const given = new Map<string, GivenArgument>();
  const warnings: string[] = [];
  const served = [...system.servedModelNames];
  for (const source of sources) {
    for (const [name, value] of source.args) {
      const canonical = canonicalName(name, longName);
      const before = given.get(canonical);
      if (before?.source === source) {
        warnings.push(
          `${source.name} has both ${before.name} and ${name}, which are the same argument: ${name} is used`,
        );
      }
      given.set(canonical, { name, source });
      if (canonical === "model") {
        assertSameModel(value, source, system.models);
        continue;
      }
      merged.set(canonical, value);
      if (canonical === "port" && Number(optionWords(value)[0]) !== system.port) {
        warnings.push(
          `port ${pythonJson(value)} in ${source.name} is ignored: set AIM_PORT (now ${system.port})`,
        );
      } else if (canonical === "served-model-name" && system.servedModelNames.length > 0) {
        served.push(...optionWords(value));
      }
    }
  }
  const [first, ...others] = [...new Set(served)];
  merged.set("port", numberLiteral(system.port));
  if (first !== undefined) merged.set("served-model-name", others.length === 0 ? first : [first, ...others]);
  return { args: merged, given, warnings };
}

/** vLLM's optimization level, `-O3` in one word. */
const OPTIMIZATION = /^O(?:\d$|\.|$)/;

/** The spelling that the engine documents; only the part before the first dot is an option's name. */
function canonicalName(name: string, longName: (name: string) => string | null): string {
  if (OPTIMIZATION.test(name)) return name;
  const [head = "", ...rest] = name.split(".");
  const canonical = head.replaceAll("_", "-").toLowerCase();
  return [longName(canonical) ?? canonical, ...rest].join(".");
}

function assertSameModel(value: ConfigValue, source: ArgumentSource, models: readonly string[]): void {
  if (source.kind === "profile" && typeof value === "string" && models.includes(value)) return;
  const served = models[0] ?? "another";
  const message = `${source.name} has "model": ${pythonJson(value)}; the model to serve is ${served}`;
  throw new AimError("usage", message, {
    hint: source.kind === "user"
      ? "remove it there and set AIM_MODEL_ID instead"
      : "remove it from the profile and set model_id there, or set AIM_MODEL_ID",
  });
}

/**
 * The engine's command line.
 *
 * @param model A path, or `org/model`.
 * @throws {AimError} `usage` if a word contains NUL.
 */
export function buildCommand(
  { program, launch, modelArgument, form }: Omit<ServingEngine, "path" | "version">,
  model: string,
  args: ConfigMap,
): string[] {
  const argv = [
    program,
    ...launch.slice(1),
    ...(modelArgument === null ? [] : [modelArgument, model]),
    ...(form === "flags" ? renderArgs(args) : renderPairs(args)),
  ];
  const broken = argv.find((word) => word.includes("\0"));
  if (broken === undefined) return argv;
  throw new AimError("usage", `${JSON.stringify(broken)} contains NUL, which a command line cannot`, {
    hint: "remove it from the profile or AIM_ENGINE_ARGS",
  });
}

/** Arguments as flags: `null` and `true` are bare, `false` is left out. */
export function renderArgs(args: ConfigMap): string[] {
  return [...args].flatMap(([name, value]) => {
    if (value === false) return [];
    const words = optionWords(value);
    if (name === "O") return [`-O${words.join("")}`];
    return [`${OPTIMIZATION.test(name) ? "-" : "--"}${name}`, ...words];
  });
}

/** Arguments as BentoML takes them: `--arg key=value`, where a bare flag is `True`. */
export function renderPairs(args: ConfigMap): string[] {
  return [...args].flatMap(([name, value]) => {
    if (value === false) return [];
    const words = optionWords(value);
    return (words.length === 0 ? ["True"] : words).flatMap((word) => ["--arg", `${name}=${word}`]);
  });
}

/**
 * A value as words of a command line: none for `null` and a boolean, one for each item of a list, JSON for a
 * mapping, else its text; numbers as they were spelled.
 */
export function optionWords(value: ConfigValue): string[] {
  if (value === null || typeof value === "boolean") return [];
  return isList(value) ? value.map(wordOf) : [wordOf(value)];
}

// Inside a list, what Python's str() writes.
function wordOf(value: ConfigValue): string {
  if (typeof value === "string") return value;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return isNumberLiteral(value) ? value.text : pythonJson(value);
}

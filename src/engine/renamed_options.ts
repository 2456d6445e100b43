import { type ConfigValue, isMap, isNumberLiteral, numberLiteral } from "../values/value.ts";
import type { VersionTable } from "./engine_table.ts";

/** An option under its name in a version. */
export interface RenamedOption {
  readonly name: string;
  readonly value: ConfigValue;
  /** Why both mean the same. */
  readonly reason: string;
}

type Convert = (value: ConfigValue) => ConfigValue | undefined;

/** For a flag: the value that it stands for; `undefined` if it is off, which means something else. */
const on = (meaning: ConfigValue): Convert => (value) => value === false ? undefined : meaning;
const bareIsTrue: Convert = (value) => value === null ? true : value;

const THE_FIELD = "the old option set that field";
const OUTPUTS = "structured-outputs-config";

/**
 * Options that vLLM renamed without changing what they mean, each with what `arg_utils.py` did with the old
 * name while both existed. Others (`rope-scaling`, `task`, `cuda-graph-sizes`) changed their meaning too.
 */
const RENAMES: readonly (readonly [from: string, to: string, reason: string, convert?: Convert])[] = [
  ["no-enable-log-requests", "disable-log-requests", "both turn request logging off"],
  ["disable-log-requests", "no-enable-log-requests", "both turn request logging off"],
  ["override-pooler-config", "pooler-config", "the same object"],
  ["guided-decoding-backend", `${OUTPUTS}.backend`, THE_FIELD],
  ["guided-decoding-disable-fallback", `${OUTPUTS}.disable_fallback`, THE_FIELD, on(true)],
  ["guided-decoding-disable-any-whitespace", `${OUTPUTS}.disable_any_whitespace`, THE_FIELD, on(true)],
  [
    "guided-decoding-disable-additional-properties",
    `${OUTPUTS}.disable_additional_properties`,
    THE_FIELD,
    on(true),
  ],
  ["num-redundant-experts", "eplb-config.num_redundant_experts", THE_FIELD, bareIsTrue],
  ["eplb-window-size", "eplb-config.window_size", THE_FIELD, bareIsTrue],
  ["eplb-step-interval", "eplb-config.step_interval", THE_FIELD, bareIsTrue],
  ["eplb-log-balancedness", "eplb-config.log_balancedness", THE_FIELD, bareIsTrue],
  ["enable-multimodal-encoder-data-parallel", "mm-encoder-tp-mode", "the old option set it", on("data")],
  ["disable-mm-preprocessor-cache", "mm-processor-cache-gb", "the old option set it", on(numberLiteral(0))],
];

/** An option that a version has under another name only; `null` if no other name means the same. */
export function renamedOption(name: string, value: ConfigValue, version: VersionTable): RenamedOption | null {
  const compilation = compilationMode(name, value, version);
  if (compilation !== null) return compilation;
  const has = (option: string) => version.ranges("options", option).length > 0;
  if (has(name)) return null;
  for (const [from, to, reason, convert] of RENAMES) {
    if (from !== name || !has(to.split(".", 1)[0] ?? "")) continue;
    const converted = convert === undefined ? value : convert(value);
    if (converted !== undefined) return { name: to, value: converted, reason };
  }
  return null;
}

const COMPILATION = "compilation-config";

/** `compilation-config: 3` and its field `level` are the field `mode` in newer versions. */
function compilationMode(name: string, value: ConfigValue, version: VersionTable): RenamedOption | null {
  const [mode, level] = ["mode", "level"].map((field) =>
    version.ranges("options", `${COMPILATION}.${field}`)
  );
  const field = mode?.length === 0 ? "level" : "mode";
  if (name === COMPILATION && isLevel(value)) {
    const takesNumber = version.ranges("options", name).some(({ kind }) => kind === "object-or-int");
    return takesNumber ? null : { name: `${COMPILATION}.${field}`, value, reason: "a bare number set it" };
  }
  if (field === "level" || level?.length !== 0) return null;
  const reason = "vLLM renamed that field";
  if (name === `${COMPILATION}.level`) return { name: `${COMPILATION}.mode`, value, reason };
  if (name === COMPILATION && isMap(value) && value.has("level") && !value.has("mode")) {
    const renamed = new Map([...value].map(([key, item]) => [key === "level" ? "mode" : key, item] as const));
    return { name, value: renamed, reason };
  }
  return null;
}

function isLevel(value: ConfigValue): boolean {
  return typeof value === "string" ? /^\d$/.test(value) : isNumberLiteral(value);
}

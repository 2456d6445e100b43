import { type ConfigValue, isMap, isNumberLiteral } from "../values/value.ts";
import type { VersionTable } from "./engine_table.ts";

/** An option under the name that a version has for it. */
export interface RenamedOption {
  readonly name: string;
  readonly value: ConfigValue;
  /** Why both mean the same. */
  readonly reason: string;
}

interface Rename {
  readonly from: string;
  readonly to: string;
  /** The value under the new name; `undefined` if the meaning is not the same. @default the same value */
  readonly value?: (value: ConfigValue) => ConfigValue | undefined;
  readonly reason: string;
}

const yes = (value: ConfigValue) => value === false ? undefined : true;

/**
 * Options that vLLM renamed without changing what they mean; the reason is what its `arg_utils.py` did with
 * the old name while it had both. What is not here (`rope-scaling`, `task`, `cuda-graph-sizes`) changed its
 * meaning with its name.
 */
const RENAMES: readonly Rename[] = [
  ...[["no-enable-log-requests", "disable-log-requests"], ["disable-log-requests", "no-enable-log-requests"]]
    .map(([from = "", to = ""]) => ({ from, to, reason: "both turn the log of requests off" })),
  {
    from: "guided-decoding-backend",
    to: "structured-outputs-config.backend",
    reason: "the old option set that field",
  },
  ...["disable-fallback", "disable-any-whitespace", "disable-additional-properties"].map((field) => ({
    from: `guided-decoding-${field}`,
    to: `structured-outputs-config.${field.replaceAll("-", "_")}`,
    value: yes,
    reason: "the old option set that field",
  })),
  { from: "override-pooler-config", to: "pooler-config", reason: "the same object" },
  ...[
    ["num-redundant-experts", "num_redundant_experts"],
    ["eplb-window-size", "window_size"],
    ["eplb-step-interval", "step_interval"],
    ["eplb-log-balancedness", "log_balancedness"],
  ].map(([from = "", field]) => ({
    from,
    to: `eplb-config.${field}`,
    value: (value: ConfigValue) => value === null ? true : value,
    reason: "the old option set that field",
  })),
  {
    from: "enable-multimodal-encoder-data-parallel",
    to: "mm-encoder-tp-mode",
    value: (value) => value === false ? undefined : "data",
    reason: "the old option set it to data",
  },
  {
    from: "disable-mm-preprocessor-cache",
    to: "mm-processor-cache-gb",
    value: (value) => value === false ? undefined : { value: 0, text: "0" },
    reason: "the old option set it to 0",
  },
];

/**
 * An option that a version has under another name only; `null` if it has it as it is, or if no other
 * name means the same.
 *
 * @param name Canonical, perhaps with a dotted rest.
 */
export function renamedOption(name: string, value: ConfigValue, version: VersionTable): RenamedOption | null {
  const compilation = compilationMode(name, value, version);
  if (compilation !== null) return compilation;
  if (version.option(name).length > 0) return null;
  for (const { from, to, reason, value: convert } of RENAMES) {
    if (from !== name || version.option(to.split(".", 1)[0] ?? "").length === 0) continue;
    const converted = convert === undefined ? value : convert(value);
    if (converted !== undefined) return { name: to, value: converted, reason };
  }
  return null;
}

/** The first release whose CompilationConfig has `mode`, and the first that no longer has `level`. */
const MODE_SINCE = "0.11.1";
const LEVEL_GONE = "0.18.0";

/** `compilation-config: 3` and its field `level` are the field `mode` today. */
function compilationMode(name: string, value: ConfigValue, version: VersionTable): RenamedOption | null {
  if (name === "compilation-config" && isLevel(value)) {
    if (version.isBefore("0.9.2")) return null;
    const field = version.isSince(MODE_SINCE) ? "mode" : "level";
    return { name: `compilation-config.${field}`, value, reason: "a bare number set it" };
  }
  if (!version.isSince(LEVEL_GONE)) return null;
  const reason = "vLLM renamed that field";
  if (name === "compilation-config.level") return { name: "compilation-config.mode", value, reason };
  if (name === "compilation-config" && isMap(value) && value.has("level") && !value.has("mode")) {
    const renamed = new Map([...value].map(([key, item]) => [key === "level" ? "mode" : key, item] as const));
    return { name, value: renamed, reason };
  }
  return null;
}

function isLevel(value: ConfigValue): boolean {
  return typeof value === "string" ? /^\d$/.test(value) : isNumberLiteral(value);
}

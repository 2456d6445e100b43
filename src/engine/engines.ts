import { AimError } from "../errors/aim_error.ts";
import { nearest } from "../config/nearest.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import { readPlainYaml } from "../values/read_plain_yaml.ts";
import { readYaml } from "../values/read_yaml.ts";
import { type ConfigMap, type ConfigValue, isMap } from "../values/value.ts";

/** An inference engine. */
export interface Engine {
  readonly name: string;
  /** The words that start it. A leading `python` is `python3` if only that exists. */
  readonly launch: readonly string[];
  /** The flag before the model; `null`: it gets none. */
  readonly modelArgument: string | null;
  /** `flags`: `--key value`; `pairs`: `--arg key=value`. */
  readonly form: "flags" | "pairs";
  /** vLLM, or built on it: it takes `--served-model-name`, reads `VLLM_LOGGING_LEVEL`, and uses AITER. */
  readonly isVllm: boolean;
  /** Its Python package; `null`: not known. */
  readonly package: string | null;
}

const VLLM: Engine = {
  name: "vllm",
  launch: ["python", "-m", "vllm.entrypoints.openai.api_server"],
  modelArgument: "--model",
  form: "flags",
  isVllm: true,
  package: "vllm",
};

/** The engines of AMD's runtime (its `engines.yaml`). */
const ENGINES: readonly Engine[] = [
  VLLM,
  { ...VLLM, name: "vllm_omni", launch: ["vllm", "serve", "--omni"], package: "vllm_omni" },
  {
    name: "bentoml",
    launch: ["python", "-m", "bentoml", "serve", "--working-dir", "/workspace/model"],
    modelArgument: null,
    form: "pairs",
    isVllm: false,
    package: "bentoml",
  },
];

/** Defaults for an engine that only `engines.yaml` has. */
const OTHER: Engine = { ...VLLM, isVllm: false, package: null };

/**
 * An engine by name, from `engines.yaml` in a folder, else from the table above.
 *
 * Requires `--allow-read`.
 *
 * @throws {AimError} `usage`: neither has it, or the file cannot be used.
 */
export async function engineNamed(name: string, configPath: string): Promise<Engine> {
  const path = `${configPath}/engines.yaml`;
  const file = await readRegularText(path);
  if (file.kind === "failed") throw unusable(path, file.reason);
  const engines = new Map(ENGINES.map((engine) => [engine.name, engine]));
  for (const [key, row] of file.kind === "ok" ? await readMapping(file.value, path) : []) {
    engines.set(key, engineOf(row, engines.get(key) ?? { ...OTHER, name: key }, path));
  }
  const found = engines.get(name);
  if (found !== undefined) return found;
  const names = [...engines.keys()];
  const near = nearest(name, names);
  throw new AimError("usage", `AIM_ENGINE is "${name}"; the engines are ${names.join(", ")}`, {
    hint: near === null ? "use one of them" : `did you mean ${near}?`,
  });
}

async function readMapping(text: string, path: string): Promise<ConfigMap> {
  const plain = readPlainYaml(text);
  if (plain !== null) return plain;
  const { value, faults } = await readYaml(text);
  if (value === null) throw unusable(path, faults[0]?.reason ?? "it is not a mapping");
  return value;
}

function engineOf(row: ConfigValue, engine: Engine, path: string): Engine {
  const launch = isMap(row) ? row.get("launch") : undefined;
  if (!isMap(row) || typeof launch !== "string" || launch.trim() === "") {
    throw unusable(path, `${engine.name} has no launch`);
  }
  const model = row.get("model_arg");
  const modelArgument = typeof model === "string" && model !== "" ? model : null;
  return { ...engine, launch: shellWords(launch), ...(model === undefined ? {} : { modelArgument }) };
}

/** Words as a POSIX shell splits them, without expansion. */
export function shellWords(text: string): string[] {
  return [...text.matchAll(/(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/gs)].map(([word]) =>
    word.replace(
      /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/gs,
      (_, single, double, escaped) => single ?? escaped ?? String(double).replace(/\\([$`"\\\n])/g, "$1"),
    )
  );
}

function unusable(path: string, reason: string): AimError {
  return new AimError("usage", `${path} cannot be used: ${reason}`, {
    hint: "give each engine a launch and, if it takes one, a model_arg",
  });
}

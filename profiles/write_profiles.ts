import {
  GENERAL,
  GENERAL_COUNTS,
  GENERAL_PRECISIONS,
  type GpuName,
  type GpuRow,
  GPUS,
  type ModelRow,
  MODELS,
  type Recipe,
  type Setting,
  type Settings,
  type Variant,
} from "./catalogue.ts";

const METRICS = ["latency", "throughput"] as const;
type Metric = (typeof METRICS)[number];

// Weights and what the engine needs beside them (activations, a first piece of KV cache), within its share of the memory.
const HEADROOM = 1.1;
const SHARE = 0.9;

/** The catalogue as files: path below `profiles/`, and text. */
export function profileFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [gpu, row] of Object.entries(GPUS) as [GpuName, GpuRow][]) {
    for (const metric of METRICS) {
      for (const { precision, manual, count } of generalCombinations(row)) {
        files.set(
          `general/${nameOf(gpu, precision, count, metric)}`,
          fileText({ gpu, precision, count, metric, manual, type: "general", recipe: GENERAL }),
        );
      }
      for (const model of MODELS) {
        for (const variant of model.variants) {
          for (const count of countsOf(variant, gpu)) {
            files.set(
              `${model.aimId}/${nameOf(gpu, variant.precision, count, metric)}`,
              modelText(model, variant, gpu, count, metric),
            );
          }
        }
      }
    }
  }
  return files;
}

function nameOf(gpu: GpuName, precision: string, count: number, metric: Metric): string {
  // By the format of the weights, as AIM's published ids have it: all fp4 weights here are MXFP4.
  const format = precision === "fp4" ? "mxfp4" : precision;
  return `vllm-${gpu.toLowerCase()}-${format}-tp${count}-${metric}.yaml`;
}

function generalCombinations(
  gpu: GpuRow,
): { precision: Variant["precision"]; manual: boolean; count: number }[] {
  return Object.entries(GENERAL_PRECISIONS)
    .filter(([precision]) => gpu.precisions.includes(precision))
    .flatMap(([precision, { manual }]) =>
      GENERAL_COUNTS.map((count) => ({ precision: precision as Variant["precision"], manual, count }))
    );
}

/** The counts at which a GPU holds a variant; none where it does not compute in its precision. */
function countsOf(variant: Variant, gpu: GpuName): number[] {
  const row: GpuRow = GPUS[gpu];
  if (variant.gpus?.includes(gpu) === false || !row.precisions.includes(variant.precision)) return [];
  return variant.counts.filter((count) => variant.weights * HEADROOM <= count * row.memory * SHARE);
}

function modelText(model: ModelRow, variant: Variant, gpu: GpuName, count: number, metric: Metric): string {
  const measured = variant.measured?.[`${gpu} tp${count} *`] ??
    variant.measured?.[`${gpu} tp${count} ${metric}`];
  return fileText({
    aimId: model.aimId,
    modelId: variant.modelId,
    gpu,
    precision: variant.precision,
    count,
    metric,
    manual: measured === undefined,
    type: measured ?? "unoptimized",
    recipe: model.recipe,
    args: variant.args,
  });
}

interface FileParts {
  readonly aimId?: string;
  readonly modelId?: string;
  readonly gpu: GpuName;
  readonly precision: Variant["precision"];
  readonly count: number;
  readonly metric: Metric;
  readonly manual: boolean;
  readonly type: string;
  readonly recipe: Recipe;
  readonly args?: Settings | undefined;
}

function fileText(parts: FileParts): string {
  const { recipe, aimId } = parts;
  const up = "../".repeat(aimId === undefined ? 1 : aimId.split("/").length);
  const args: Settings = {
    ...recipe.args,
    ...recipe[parts.precision],
    ...recipe[parts.metric],
    ...(parts.count === 8 ? recipe.tp8 : {}),
    ...parts.args,
    "tensor-parallel-size": String(parts.count),
  };
  return [
    `# yaml-language-server: $schema=${up}schemas/${aimId === undefined ? "general" : "model"}.schema.json`,
    "# Written by profiles/generate.ts from profiles/catalogue.ts: change it there.",
    ...(aimId === undefined ? [] : [`aim_id: ${aimId}`, `model_id: ${parts.modelId}`]),
    "metadata:",
    "  engine: vllm",
    `  gpu: ${parts.gpu}`,
    `  gpu_count: ${parts.count}`,
    `  manual_selection_only: ${parts.manual}`,
    `  metric: ${parts.metric}`,
    `  precision: ${parts.precision}`,
    `  type: ${parts.type}`,
    "engine_args:",
    ...lines(sorted(args)),
    "env_vars:",
    ...lines(sorted(environment(parts)), quoted),
    "",
  ].join("\n");
}

function environment({ recipe, gpu }: FileParts): Readonly<Record<string, string>> {
  const env: Record<string, string> = { ...recipe.env, ...recipe.gpuEnv?.[gpu] };
  if (recipe.pinArch === true) env["GPU_ARCHS"] = GPUS[gpu].arch;
  // AITER has kernels for gfx942 and gfx950 only.
  if (gpu === "MI250X" && "VLLM_ROCM_USE_AITER" in env) {
    for (const name of Object.keys(env)) if (name.includes("AITER")) delete env[name];
    env["VLLM_ROCM_USE_AITER"] = "0";
  }
  return env;
}

function sorted<T>(settings: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
}

function lines(settings: readonly [string, Setting][], spell = spelled): string[] {
  return settings.flatMap(([name, value]) =>
    typeof value === "object" && value !== null
      ? [`  ${name}:`, ...Object.entries(value).map(([key, item]) => `    ${key}: ${item}`)]
      : [`  ${name}: ${spell(value)}`]
  );
}

function spelled(value: string | null | boolean): string {
  return String(value);
}

function quoted(value: string | null | boolean): string {
  const text = String(value);
  return /^[A-Za-z]/.test(text) ? text : `"${text}"`;
}

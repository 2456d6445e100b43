import {
  GENERAL,
  GENERAL_COUNTS,
  GENERAL_OTHERS,
  GENERAL_PRECISIONS,
  type GpuName,
  type GpuRow,
  GPUS,
  MODELS,
  type Recipe,
  type Setting,
  type Settings,
} from "./catalogue.ts";

const METRICS = ["latency", "throughput"] as const;
type Metric = (typeof METRICS)[number];
const PRECISIONS = ["fp4", "fp8", "fp16", "bf16"] as const;

// Weights times HEADROOM (for activations and some KV cache) must fit into the engine's SHARE of the memory.
const HEADROOM = 1.1;
const SHARE = 0.9;

/** A profile before it is formatted. */
interface Draft {
  readonly aimId: string | null;
  readonly modelId: string | null;
  readonly accelerator: string;
  readonly acceleratorType: "gpu" | "cpu";
  readonly count: number;
  readonly precision: (typeof PRECISIONS)[number];
  readonly metric: Metric;
  readonly type: string;
  readonly args: Settings;
  readonly env: Readonly<Record<string, string>>;
}

/** The catalogue's files: text by path below `profiles/`. */
export function profileFiles(): Map<string, string> {
  const drafts = METRICS.flatMap((
    metric,
  ) => [...generals(metric), ...otherGenerals(metric), ...models(metric)]);
  const primaries = new Set(
    [...Map.groupBy(drafts, ({ aimId, accelerator, metric }) => `${aimId} ${accelerator} ${metric}`).values()]
      .map((group) => group.toSorted(byPrimacy)[0]),
  );
  return new Map(drafts.map((draft) => [pathOf(draft), fileText(draft, primaries.has(draft))]));
}

/**
 * AMD's order for `primary`: automatically selected profiles first, then the better precision, then the
 * smaller count.
 */
function byPrimacy(a: Draft, b: Draft): number {
  return Number(a.type === "unoptimized") - Number(b.type === "unoptimized") ||
    PRECISIONS.indexOf(a.precision) - PRECISIONS.indexOf(b.precision) || a.count - b.count;
}

function generals(metric: Metric): Draft[] {
  return gpuRows().flatMap(([gpu, row]) =>
    Object.entries(GENERAL_PRECISIONS).filter(([precision]) => row.precisions.includes(precision)).flatMap(
      ([precision, type]) =>
        GENERAL_COUNTS.map((count) =>
          onGpu(
            { aimId: null, modelId: null, precision: precision as Draft["precision"], metric, type },
            gpu,
            count,
            GENERAL,
          )
        ),
    )
  );
}

function otherGenerals(metric: Metric): Draft[] {
  return Object.entries(GENERAL_OTHERS).flatMap(([accelerator, row]) =>
    row.counts.map((count): Draft => ({
      ...{ aimId: null, modelId: null, accelerator, acceleratorType: row.type, count },
      ...{ precision: "bf16", metric, type: "general", env: row.env },
      args: { ...row.args, ...(row.type === "gpu" ? { "tensor-parallel-size": String(count) } : {}) },
    }))
  );
}

function models(metric: Metric): Draft[] {
  return MODELS.flatMap(({ aimId, recipe, variants }) =>
    variants.flatMap(({ modelId, precision, weights, counts, gpus, measured, args }) =>
      gpuRows()
        .filter(([gpu, row]) => gpus?.includes(gpu) !== false && row.precisions.includes(precision))
        .flatMap(([gpu, row]) =>
          // Only counts at which the weights fit.
          counts.filter((count) => weights * HEADROOM <= count * row.memory * SHARE).map((count) => {
            const type = measured?.[`${gpu} tp${count} *`] ?? measured?.[`${gpu} tp${count} ${metric}`] ??
              "unoptimized";
            return onGpu({ aimId, modelId, precision, metric, type }, gpu, count, recipe, args);
          })
        )
    )
  );
}

function gpuRows(): [GpuName, GpuRow][] {
  return Object.entries(GPUS) as [GpuName, GpuRow][];
}

function onGpu(
  draft: Pick<Draft, "aimId" | "modelId" | "precision" | "metric" | "type">,
  gpu: GpuName,
  count: number,
  recipe: Recipe,
  args?: Settings,
): Draft {
  const { precision } = draft;
  return {
    ...draft,
    ...{ accelerator: gpu, acceleratorType: "gpu", count },
    args: {
      ...recipe.args,
      ...(precision === "bf16" ? {} : recipe[precision]),
      ...recipe[draft.metric],
      ...(count === 8 ? recipe.tp8 : {}),
      ...args,
      "tensor-parallel-size": String(count),
    },
    env: environment(recipe, gpu),
  };
}

function environment(recipe: Recipe, gpu: GpuName): Readonly<Record<string, string>> {
  const env: Record<string, string> = { ...recipe.env, ...recipe.gpuEnv?.[gpu] };
  if (recipe.pinArch === true) env["GPU_ARCHS"] = GPUS[gpu].arch;
  // AITER has kernels for gfx942 and gfx950 only.
  if (gpu === "MI250X" && "VLLM_ROCM_USE_AITER" in env) {
    for (const name of Object.keys(env)) if (name.includes("AITER")) delete env[name];
    env["VLLM_ROCM_USE_AITER"] = "0";
  }
  return env;
}

function pathOf({ aimId, accelerator, acceleratorType, precision, count, metric }: Draft): string {
  // Named by the format of the weights, like AIM's published ids: all fp4 weights here are MXFP4.
  const format = precision === "fp4" ? "mxfp4" : precision;
  const tp = acceleratorType === "cpu" ? 1 : count;
  return `${aimId ?? "general"}/vllm-${accelerator.toLowerCase()}-${format}-tp${tp}-${metric}.yaml`;
}

function fileText(draft: Draft, primary: boolean): string {
  const { aimId } = draft;
  const up = "../".repeat(aimId === null ? 1 : aimId.split("/").length);
  return [
    `# yaml-language-server: $schema=${up}schemas/profile.schema.json`,
    "# Written by profiles/generate.ts from profiles/catalogue.ts: change it there.",
    ...(aimId === null ? [] : [`aim_id: ${aimId}`, `model_id: ${draft.modelId}`]),
    "metadata:",
    `  accelerator_count: ${draft.count}`,
    `  accelerator_model: ${draft.accelerator}`,
    `  accelerator_type: ${draft.acceleratorType}`,
    "  engine: vllm",
    `  metric: ${draft.metric}`,
    `  precision: ${draft.precision}`,
    ...(aimId === null ? [] : [`  primary: ${primary}`]),
    `  type: ${draft.type}`,
    "engine_args:",
    ...lines(sorted(draft.args)),
    "env_vars:",
    ...lines(sorted(draft.env), quoted),
    "",
  ].join("\n");
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

import { listFiles, readTextOrNull, statOrNull } from "../cache/files.ts";
import { unsafeFiles } from "../cache/judge/unsafe_files.ts";
import { CONFIGS, isAnyWeight, setOf } from "../cache/judge/weight_files.ts";
import { pathOfPlace } from "../cache/resolve_model.ts";
import type { ModelPlace } from "../cache/types.ts";
import type { Config } from "../config/config.ts";
import { servingFiles } from "../download/serving_files.ts";
import { AimError } from "../errors/aim_error.ts";
import { type Fit, fitInWords, judgeFit } from "../fit/judge_fit.ts";
import { loadedBytes } from "../fit/loaded_bytes.ts";
import { modelShape } from "../fit/model_shape.ts";
import { vramBytesOf } from "../gpu/accelerators.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { log } from "../log/logger.ts";
import type { Manifest } from "../sources/manifest.ts";
import { jsonOrNull } from "../values/json.ts";
import type { ConfigMap } from "../values/value.ts";

/** What is known about a model's files. */
export interface ModelFiles {
  /** Bytes by path. */
  readonly sizes: ReadonlyMap<string, number>;
  /** The parsed `config.json` or `params.json`; `null` if unknown. */
  readonly config: unknown;
  /** A path, or the source's address. */
  readonly from: string;
}

/** Whether a model fits the memory of its GPUs. */
export interface MemoryFit extends Fit {
  readonly summary: string;
}

/** The files of a model in the cache that the engine could load; `null` if it is missing or unreadable. */
export async function filesInCache(place: ModelPlace): Promise<ModelFiles | null> {
  if (place.kind === "missing") return null;
  const from = pathOfPlace(place);
  try {
    const info = await statOrNull(from);
    const gguf = place.kind === "path" ? place.gguf : undefined;
    const sizes = info?.isFile ? new Map([[from.slice(from.lastIndexOf("/") + 1), info.size]]) : new Map(
      [...await listFiles(from)].filter(([path]) =>
        gguf === undefined || setOf(path) === setOf(gguf) || !isAnyWeight(path)
      ),
    );
    const name = CONFIGS.find((one) => sizes.has(one));
    return {
      sizes,
      config: name === undefined ? null : jsonOrNull(await readTextOrNull(`${from}/${name}`) ?? ""),
      from,
    };
  } catch (error) {
    // An unreadable file is reported where it is needed.
    if (error instanceof AimError) return null;
    throw error;
  }
}

/**
 * The files that a source lists, before any download: without a configuration, only the weights are compared.
 */
export function filesListed({ files, archives = [], source }: Manifest, config: unknown = null): ModelFiles {
  const all = [...files, ...archives.map(({ file }) => file)];
  return { sizes: new Map<string, number>(all.map((file) => [file.path, file.size])), config, from: source };
}

/**
 * Compares a model with the GPUs that would serve it; `null` if there is nothing to compare: no GPU, unknown
 * memory, no weights.
 *
 * @param args vLLM's arguments.
 */
export function memoryFit(gpus: GpuInventory, args: ConfigMap, files: ModelFiles): MemoryFit | null {
  const own = gpus.gpus.filter((gpu) => gpu.visible && gpu.model === gpus.model);
  const sizes = own.flatMap((gpu) => gpu.vramTotal === null ? [] : [gpu.vramTotal]);
  const vramBytes = sizes.length > 0 ? Math.min(...sizes) : vramBytesOf(gpus.model ?? "");
  const weightBytes = loadedBytes(files.sizes);
  if (gpus.type !== "gpu" || gpus.model === null || vramBytes === null || weightBytes === null) return null;
  const fit = judgeFit({ weightBytes, shape: modelShape(files.config), args, vramBytes });
  return { ...fit, summary: fitInWords(fit, gpus.model, files.from) };
}

/** Warns of too little memory now: the engine would report it only after minutes. */
export function warnOfMemory(gpus: GpuInventory, args: ConfigMap, files: ModelFiles): void {
  const fit = memoryFit(gpus, args, files);
  if (fit !== null && fit.state !== "fits") log.warn(fit.summary);
}

/**
 * Checks the files that the engine would load, and warns of too little memory.
 *
 * @throws {AimError} `integrity` if `AIM_REFUSE_UNSAFE` is on, and they include pickles or the model's own
 *   code.
 */
export async function checkFiles(
  { config, gpus }: { readonly config: Config; readonly gpus: GpuInventory },
  args: ConfigMap,
  place: ModelPlace,
): Promise<void> {
  const files = await filesInCache(place);
  if (files === null) return;
  const served = [...files.sizes.keys()].filter(servingFiles([...files.sizes.keys()]));
  const unsafe = config.refuseUnsafe ? unsafeFiles(served, files.config) : null;
  if (unsafe === null) return warnOfMemory(gpus, args, files);
  const message = `${files.from} is refused, because AIM_REFUSE_UNSAFE is on: ${unsafe.words}`;
  throw new AimError("integrity", message, {
    hint: "use a safetensors model without its own code, or unset AIM_REFUSE_UNSAFE",
  });
}

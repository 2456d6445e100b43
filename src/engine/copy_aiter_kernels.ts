import { architectureOf } from "../gpu/accelerators.ts";
import { log } from "../log/logger.ts";
import { installedPackage, namesIn } from "./installed_package.ts";

/** Where images keep kernels that were compiled ahead, one folder per architecture (AMD's base images). */
const PREBUILT = "/workspace/aiter-jit-prebuilt";

/**
 * Copies the prebuilt AITER kernels that the installed `aiter` package lacks. A failure is only a warning,
 * since the engine then compiles them.
 *
 * Requires `--allow-read`, `--allow-write`.
 *
 * @param program The engine's program, whose Python has the package.
 */
export async function copyAiterKernels(
  gpuModel: string,
  program: string,
  env: Readonly<Record<string, string | undefined>>,
  prebuilt: string = PREBUILT,
): Promise<void> {
  const architecture = architectureOf(gpuModel);
  const kernels = architecture === null ? [] : kernelsIn(`${prebuilt}/${architecture}`);
  if (kernels.length === 0) return;
  const aiter = installedPackage("aiter", program, env);
  if (aiter.kind !== "installed") {
    return log.warn(`prebuilt AITER kernels are not used: ${program} has no package aiter`);
  }
  const target = `${aiter.directory}/jit`;
  try {
    const installed = new Set(kernelsIn(target));
    const missing = kernels.filter((kernel) => !installed.has(kernel));
    for (const name of missing) {
      const partial = `${target}/.${name}.aim-partial`;
      await Deno.copyFile(`${prebuilt}/${architecture}/${name}`, partial);
      await Deno.rename(partial, `${target}/${name}`);
    }
    if (missing.length > 0) log.info(`copied ${missing.length} prebuilt AITER kernels for ${gpuModel}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn(`prebuilt AITER kernels cannot be copied to ${target}: ${reason}`);
  }
}

function kernelsIn(folder: string): string[] {
  return namesIn(folder).filter((name) => name.endsWith(".so")).sort();
}

import { architectureOf } from "../gpu/accelerators.ts";
import { installedPackage, namesIn } from "./installed_package.ts";

/** Where images keep kernels that were compiled ahead, one folder per architecture (AMD's base images). */
const PREBUILT = "/workspace/aiter-jit-prebuilt";

/**
 * Copies a GPU's prebuilt AITER kernels into the installed `aiter` package, those that it does not have.
 * Never throws.
 *
 * Requires `--allow-read`, `--allow-write`.
 *
 * @param program The engine's program, whose Python has the package.
 * @param prebuilt Folder of prebuilt kernels.
 * @returns How many were copied, and why others could not be; the engine then compiles them itself.
 */
export async function copyAiterKernels(
  gpuModel: string,
  program: string,
  env: Readonly<Record<string, string | undefined>>,
  prebuilt: string = PREBUILT,
): Promise<{ files: number; warning: string | null }> {
  const architecture = architectureOf(gpuModel);
  const kernels = architecture === null ? [] : kernelsIn(`${prebuilt}/${architecture}`);
  if (kernels.length === 0) return { files: 0, warning: null };
  const aiter = installedPackage("aiter", program, env);
  if (aiter.kind !== "installed") {
    return { files: 0, warning: `prebuilt AITER kernels are not used: ${program} has no package aiter` };
  }
  const target = `${aiter.directory}/jit`;
  let files = 0;
  try {
    const there = new Set(kernelsIn(target));
    for (const name of kernels.filter((kernel) => !there.has(kernel))) {
      const partial = `${target}/.${name}.aim-partial`;
      await Deno.copyFile(`${prebuilt}/${architecture}/${name}`, partial);
      await Deno.rename(partial, `${target}/${name}`);
      files++;
    }
    return { files, warning: null };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { files, warning: `prebuilt AITER kernels cannot be copied to ${target}: ${reason}` };
  }
}

function kernelsIn(folder: string): string[] {
  return namesIn(folder).filter((name) => name.endsWith(".so")).sort();
}

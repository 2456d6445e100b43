/**
 * Makes `HIP_VISIBLE_DEVICES` and `CUDA_VISIBLE_DEVICES` agree, or vLLM's ROCm module refuses to load. HIP
 * reads only the first if both are set, so that one is used. Both treat an empty one as unset; it stays as it
 * is.
 *
 * @param env The engine's environment so far.
 * @returns What to change in it.
 * @param chosen The GPUs that aim chose; `null`: all that it may see.
 */
export function visibleDevices(
  env: Readonly<Record<string, string | undefined>>,
  chosen: string | null,
): { env: Record<string, string>; warnings: string[] } {
  const { HIP_VISIBLE_DEVICES: hip, CUDA_VISIBLE_DEVICES: cuda } = env;
  if (chosen !== null) {
    const env = { HIP_VISIBLE_DEVICES: chosen, ...(cuda ? { CUDA_VISIBLE_DEVICES: chosen } : {}) };
    return { env, warnings: [] };
  }
  if (!hip || !cuda || hip === cuda) return { env: {}, warnings: [] };
  return {
    env: { CUDA_VISIBLE_DEVICES: hip },
    warnings: [
      `HIP_VISIBLE_DEVICES is "${hip}" and CUDA_VISIBLE_DEVICES is "${cuda}": the engine gets "${hip}" for both`,
    ],
  };
}

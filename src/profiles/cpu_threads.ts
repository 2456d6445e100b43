import type { Cpu } from "../gpu/types.ts";
import type { ConfigValue } from "../values/value.ts";
import { envVarsOf } from "./profile_content.ts";
import type { Profile } from "./types.ts";

/**
 * Fits a processor's profile to the cores that the container may use: no more threads than cores, bound by
 * vLLM itself (`auto`), or to the container's core set if the profile binds by number.
 */
export function withCpuThreads(
  profile: Profile,
  cpu: Cpu | null,
): { profile: Profile; warning: string | null } {
  if (profile.metadata.acceleratorType !== "cpu" || cpu === null) return { profile, warning: null };
  const env = envVarsOf(profile);
  const wanted = /^[1-9]\d*$/.test(env.get(THREADS) ?? "") ? Number(env.get(THREADS)) : null;
  const threads = Math.min(wanted ?? cpu.cores, cpu.cores);
  const bound = env.get(BIND) ?? "auto";
  const fitted = new Map(env)
    .set(THREADS, String(threads))
    .set(BIND, bound === "auto" ? "auto" : cpu.cpuset ?? "auto");
  const needed = Math.max(wanted ?? 0, profile.metadata.acceleratorCount);
  return {
    profile: {
      ...profile,
      content: new Map<string, ConfigValue>([...profile.content, ["env_vars", fitted]]),
    },
    warning: needed > cpu.cores
      ? `profile ${profile.id} is for ${needed} cores, but this container may use ${cpu.cores}: ${THREADS}=${threads}`
      : null,
  };
}

const THREADS = "OMP_NUM_THREADS";
const BIND = "VLLM_CPU_OMP_THREADS_BIND";

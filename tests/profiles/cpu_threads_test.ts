import { assertEquals } from "@std/assert";
import type { Cpu } from "../../src/gpu/types.ts";
import { withCpuThreads } from "../../src/profiles/cpu_threads.ts";
import { envVarsOf } from "../../src/profiles/profile_content.ts";
import { makeProfile } from "./make_profile.ts";

const CPU: Cpu = {
  vendor: "AuthenticAMD",
  name: "AMD EPYC 9965 192-Core Processor",
  chip: "9965",
  model: "EPYC_9965",
  cores: 16,
  nodeCores: 384,
  cpuset: null,
};

const threads = (env: Record<string, string>, cpu: Partial<Cpu> = {}, count = 1) => {
  const { profile, warning } = withCpuThreads(
    makeProfile({
      content: new Map([["env_vars", new Map(Object.entries(env))]]),
      metadata: { acceleratorType: "cpu", acceleratorModel: "EPYC_9965", acceleratorCount: count },
    }),
    { ...CPU, ...cpu },
  );
  const fitted = envVarsOf(profile);
  return [fitted.get("OMP_NUM_THREADS"), fitted.get("VLLM_CPU_OMP_THREADS_BIND"), warning !== null];
};

Deno.test("a CPU profile gets no more threads than cores", () => {
  assertEquals(threads({}), ["16", "auto", false]);
  assertEquals(threads({ OMP_NUM_THREADS: "8" }), ["8", "auto", false]);
  assertEquals(threads({ OMP_NUM_THREADS: "192" }), ["16", "auto", true]);
  assertEquals(threads({ OMP_NUM_THREADS: "many" }), ["16", "auto", false]);
  assertEquals(threads({}, {}, 188), ["16", "auto", true]);
});

Deno.test("threads bound to core numbers by a profile are bound to the container's cores instead", () => {
  const bind = { VLLM_CPU_OMP_THREADS_BIND: "0-191" };
  assertEquals(threads(bind), ["16", "auto", false]);
  assertEquals(threads(bind, { cpuset: "32-47" }), ["16", "32-47", false]);
  assertEquals(threads({ VLLM_CPU_OMP_THREADS_BIND: "auto" }, { cpuset: "32-47" }), ["16", "auto", false]);
});

Deno.test("a GPU profile is unchanged", () => {
  const profile = makeProfile();
  assertEquals(withCpuThreads(profile, CPU), { profile, warning: null });
});

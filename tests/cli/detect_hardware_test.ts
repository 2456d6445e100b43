import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { parse } from "yaml";
import { HOSTS, makeTree } from "../gpu/fixtures.ts";
import { aim } from "./aim.ts";

interface Host {
  readonly gpus: keyof typeof HOSTS | null;
  readonly cpu: string;
  readonly threads: number;
}

/** Runs the node labeller's command on a host. */
async function detect(host: Host, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  await using tree = await makeTree(host.gpus === null ? [] : HOSTS[host.gpus]);
  const proc = join(dirname(tree.sys), "proc");
  await Deno.mkdir(proc);
  const processor = (at: number) =>
    `processor\t: ${at}\nvendor_id\t: AuthenticAMD\nmodel name\t: ${host.cpu}\n\n`;
  const cpuinfo = Array.from({ length: host.threads }, (_, at) => processor(at)).join("");
  await Deno.writeTextFile(join(proc, "cpuinfo"), cpuinfo);
  const ran = await aim(["detect-hardware", ...args], {
    env: {
      ...{
        AIM_SYSFS_ROOT: tree.sys,
        AIM_DEV_ROOT: tree.dev,
        AIM_PROC_ROOT: proc,
        AIM_AMD_SMI: "/nonexistent",
      },
      ...env,
    },
  });
  assertEquals([ran.code, ran.stderr], [0, ""]);
  return ran.stdout;
}

const EPYC = "AMD EPYC 9965 192-Core Processor";
const gpus = (count: number) => ({
  accelerator_type: "GPU",
  accelerator_model: "MI300X",
  accelerator_count: count,
});
const cpu = (model: string, count: number) => ({
  accelerator_type: "CPU",
  accelerator_model: model,
  accelerator_count: count,
});

const CALLS: readonly [string, Host, string, readonly unknown[]][] = [
  ["eight GPUs", { gpus: "MI300X", cpu: EPYC, threads: 8 }, "gpu", [gpus(8)]],
  ["eight GPUs in CPX mode count as eight", { gpus: "MI300X CPX", cpu: EPYC, threads: 8 }, "gpu", [gpus(8)]],
  ["no GPU", { gpus: null, cpu: EPYC, threads: 8 }, "gpu", []],
  ["an EPYC", { gpus: null, cpu: EPYC, threads: 8 }, "cpu", [cpu("EPYC_9965", 8)]],
  ["another processor", { gpus: null, cpu: "Some CPU", threads: 4 }, "cpu", [cpu("CPU", 4)]],
  ["GPUs and processor", { gpus: "MI300X", cpu: EPYC, threads: 2 }, "all", [gpus(8), cpu("EPYC_9965", 2)]],
];

for (const [what, host, type, expected] of CALLS) {
  Deno.test(`the node labeller's command: ${what}`, async () => {
    assertEquals(JSON.parse(await detect(host, ["--type", type, "--format", "json"])), expected);
    assertEquals(parse(await detect(host, ["--type", type, "--format", "yaml"])), expected);
  });
}

Deno.test("detect-hardware shows the real hardware regardless of GPU settings", async () => {
  const host: Host = { gpus: "MI300X", cpu: EPYC, threads: 2 };
  const env = {
    AIM_GPU_MODEL: "MI325X",
    AIM_GPU_COUNT: "2",
    AIM_ACCELERATOR_TYPE: "cpu",
    HIP_VISIBLE_DEVICES: "0",
  };
  assertEquals(JSON.parse(await detect(host, ["--type", "gpu"], env)), [gpus(8)]);
});

Deno.test("with -v detect-hardware adds AMD's details", async () => {
  const text = await detect({ gpus: "MI300X", cpu: EPYC, threads: 2 }, ["-v"]);
  const [gpu, processor] = JSON.parse(text);
  assertEquals([gpu.accelerator_type, processor.accelerator_type], ["gpu", "cpu"]);
  assertEquals(gpu.gpu_info.length, 8);
  assertEquals(Object.keys(gpu.gpu_info[0]), [
    ...["device_id", "model", "vram_total", "vram_used", "vram_free", "gfx_utilization"],
    ...["mem_utilization", "is_idle"],
  ]);
  assertEquals([gpu.gpu_info[0].device_id, gpu.gpu_info[0].vram_total], ["0x74a1", 196592]);
  assertEquals([processor.cpu_info.model_number, processor.node_cores], ["9965", 2]);
});

Deno.test("SIGTERM ends detect-hardware while amd-smi hangs", async () => {
  await using tree = await makeTree([]);
  const amdSmi = join(dirname(tree.sys), "amd-smi");
  // aim runs it more than once; only the first sends a signal, since a second one ends aim without a message.
  const script = '#!/bin/sh\nmkdir "$0.sent" && kill -TERM $PPID\nexec sleep 30\n';
  await Deno.writeTextFile(amdSmi, script, { mode: 0o755 });
  const env = { AIM_SYSFS_ROOT: tree.sys, AIM_DEV_ROOT: tree.dev, AIM_AMD_SMI: amdSmi };
  const { code, stdout, stderr } = await aim(["detect-hardware", "--type", "gpu"], { env });
  assertEquals([code, stdout, stderr], [143, "", "aim: error: stopped by SIGTERM\n"]);
});

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { detectAccelerators, type DetectOptions } from "../../src/gpu/detect_accelerators.ts";
import type { Cpu } from "../../src/gpu/types.ts";

/** `/proc/cpuinfo` of a host with this many threads. */
const cpuinfo = (name: string, threads: number, vendor = "AuthenticAMD") =>
  Array.from(
    { length: threads },
    (_, at) => `processor\t: ${at}\nvendor_id\t: ${vendor}\nmodel name\t: ${name}\n`,
  ).join("\n");
const EPYC_9965 = cpuinfo("AMD EPYC 9965 192-Core Processor", 2);

async function detect(files: Readonly<Record<string, string>>, options: Partial<DetectOptions> = {}) {
  const root = await Deno.makeTempDir({ prefix: "aim-cpu-" });
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(root, path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), text);
    }
    return await detectAccelerators({
      sysfsRoot: join(root, "sys"),
      devRoot: join(root, "dev"),
      procRoot: join(root, "proc"),
      amdSmi: "/nonexistent",
      env: {},
      acceleratorType: "cpu",
      ...options,
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const CHIPS: readonly [string, string, string | null][] = [
  ["AMD EPYC 9965 192-Core Processor", "EPYC_9965", "9965"],
  ["AMD EPYC 9654P 96-Core Processor", "EPYC_ZEN4", "9654P"],
  ["AMD EPYC 9575F 64-Core Processor", "EPYC_ZEN5", "9575F"],
  ["AMD EPYC 9J14 96-Core Processor", "EPYC_ZEN4", "9J14"],
  ["AMD EPYC 7763 64-Core Processor", "CPU", null],
  ["AMD Ryzen 9 9950X 16-Core Processor", "CPU", null],
  ["Intel(R) Xeon(R) Platinum 8480C", "CPU", null],
];

Deno.test("known processors are identified by their chip, any other is CPU", async () => {
  for (const [name, model, chip] of CHIPS) {
    const found = await detect({ "proc/cpuinfo": cpuinfo(name, 4) });
    assertEquals([found.type, found.source, found.model, found.count], ["cpu", "cpuinfo", model, 4], name);
    assertEquals(found.cpu?.chip, chip);
  }
  const nothing = await detect({});
  assertEquals([nothing.model, nothing.cpu?.vendor], ["CPU", "unknown"]);
});

Deno.test("EPYC is told from other processors only with family epyc or none", async () => {
  const files = { "proc/cpuinfo": EPYC_9965 };
  const families = [null, "epyc", "cpu", "instinct", "radeon"] as const;
  const models = await Promise.all(
    families.map(async (family) => (await detect(files, { acceleratorFamily: family })).model),
  );
  assertEquals(models, ["EPYC_9965", "EPYC_9965", "CPU", "CPU", "CPU"]);
});

const HOST = { "proc/cpuinfo": EPYC_9965, "sys/devices/system/cpu/present": "0-383\n" };
const CORES: readonly [string, Readonly<Record<string, string>>, Pick<Cpu, "cores" | "cpuset">][] = [
  ["no limit", {}, { cores: 384, cpuset: null }],
  ["a cgroup v2 quota", { "sys/fs/cgroup/cpu.max": "1650000 100000\n" }, { cores: 16, cpuset: null }],
  ["a quota below one", { "sys/fs/cgroup/cpu.max": "50000 100000" }, { cores: 1, cpuset: null }],
  ["no cgroup v2 quota", { "sys/fs/cgroup/cpu.max": "max 100000" }, { cores: 384, cpuset: null }],
  [
    "a cgroup v1 quota",
    { "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "800000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000" },
    { cores: 8, cpuset: null },
  ],
  [
    "no cgroup v1 quota",
    { "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000" },
    { cores: 384, cpuset: null },
  ],
  [
    "a cgroup v2 cpuset; the effective one wins",
    { "sys/fs/cgroup/cpuset.cpus.effective": "0-3,8,10-11\n", "sys/fs/cgroup/cpuset.cpus": "0-63" },
    { cores: 7, cpuset: "0-3,8,10-11" },
  ],
  ["a cgroup v1 cpuset", { "sys/fs/cgroup/cpuset/cpuset.cpus": "16-47\n" }, { cores: 32, cpuset: "16-47" }],
  ["affinity", { "proc/self/status": "Name:\taim\nCpus_allowed_list:\t4-5\n" }, { cores: 2, cpuset: null }],
  [
    "a quota larger than the cpuset",
    { "sys/fs/cgroup/cpu.max": "6400000 100000", "sys/fs/cgroup/cpuset.cpus.effective": "0-7" },
    { cores: 8, cpuset: null },
  ],
  [
    "the quota of the process's cgroup on a host",
    {
      "proc/self/cgroup": "0::/user.slice/aim.scope\n",
      "sys/fs/cgroup/user.slice/aim.scope/cpu.max": "300000 100000",
    },
    { cores: 3, cpuset: null },
  ],
  [
    "the quota of a parent cgroup",
    { "proc/self/cgroup": "0::/kubepods/pod1/c1\n", "sys/fs/cgroup/kubepods/pod1/cpu.max": "500000 100000" },
    { cores: 5, cpuset: null },
  ],
  ["garbage", { "sys/fs/cgroup/cpu.max": "x y", "sys/fs/cgroup/cpuset.cpus": "a-b" }, {
    cores: 384,
    cpuset: null,
  }],
];

for (const [what, files, expected] of CORES) {
  Deno.test(`cores available to a container: ${what}`, async () => {
    const found = await detect({ ...HOST, ...files });
    assertEquals({ cores: found.cpu?.cores, cpuset: found.cpu?.cpuset ?? null }, expected);
    assertEquals([found.count, found.cpu?.nodeCores], [expected.cores, 384]);
  });
}

Deno.test("a named accelerator overrides the type, and a named processor's cores are still counted", async () => {
  const found = await detect(HOST, { acceleratorType: "gpu", acceleratorModel: "EPYC_ZEN4" });
  assertEquals([found.type, found.source, found.model, found.count], ["cpu", "override", "EPYC_ZEN4", 384]);
  const gpu = await detect(HOST, { acceleratorType: "cpu", acceleratorModel: "MI300X", acceleratorCount: 2 });
  assertEquals([gpu.type, gpu.model, gpu.count, gpu.cpu], ["gpu", "MI300X", 2, null]);
});

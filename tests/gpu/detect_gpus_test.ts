import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { detectAccelerators } from "../../src/gpu/detect_accelerators.ts";
import type { GpuInventory } from "../../src/gpu/types.ts";
import { visibleDevices } from "../../src/gpu/visible_devices.ts";
import { eight, type GpuSpec, HOSTS, INTEGRATED, makeTree, type TreeOptions } from "./fixtures.ts";

const GIB = 2 ** 30;

async function detect(
  gpus: readonly GpuSpec[],
  options: TreeOptions & { env?: Record<string, string>; amdSmi?: string; timeout?: number } = {},
): Promise<GpuInventory> {
  await using tree = await makeTree(gpus, options);
  return await detectAccelerators({
    acceleratorType: "gpu",
    procRoot: "/nonexistent",
    sysfsRoot: tree.sys,
    devRoot: tree.dev,
    amdSmi: options.amdSmi ?? "/nonexistent/amd-smi",
    env: options.env ?? {},
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
  });
}

/** The devices that the engine gets. */
const given = (found: GpuInventory, needed: number) =>
  visibleDevices(found, needed, {}).env.HIP_VISIBLE_DEVICES;

const visible = (found: GpuInventory) => found.gpus.filter((gpu) => gpu.visible).map((gpu) => gpu.index);

const EXPECTED: Record<
  keyof typeof HOSTS,
  { model: string; count: number; vram: number; partitioned?: boolean }
> = {
  MI250X: { model: "MI250X", count: 8, vram: 64 * GIB },
  MI300A: { model: "MI300A", count: 4, vram: 128 * GIB },
  MI300X: { model: "MI300X", count: 8, vram: 206141652992 },
  "MI300X CPX": { model: "MI300X", count: 64, vram: 206141652992 / 8, partitioned: true },
  "MI300X VF": { model: "MI300X", count: 8, vram: 206141652992 },
  MI308X: { model: "MI308X", count: 8, vram: 206141652992 },
  MI325X: { model: "MI325X", count: 8, vram: 256 * GIB },
  MI350X: { model: "MI350X", count: 8, vram: 288 * GIB },
  MI355X: { model: "MI355X", count: 8, vram: 288 * GIB },
  W7900: { model: "W7900", count: 1, vram: 48 * GIB },
  RX7900: { model: "RX7900", count: 1, vram: 24 * GIB },
};

for (const [name, want] of Object.entries(EXPECTED)) {
  Deno.test(`a host with ${name} is recognised from sysfs`, async () => {
    const found = await detect(HOSTS[name as keyof typeof HOSTS]);
    assertEquals([found.source, found.model, found.count, found.partitioned], [
      "sysfs",
      want.model,
      want.count,
      want.partitioned ?? false,
    ]);
    assertEquals(found.warnings, []);
    assert(found.gpus.every((gpu) => gpu.visible && gpu.vramTotal === want.vram && gpu.source === "sysfs"));
  });
}

Deno.test("KFD (decimal ids) and DRM (hexadecimal ids) are joined by the render minor", async () => {
  const [gpu] = (await detect(HOSTS.MI300X)).gpus;
  assertEquals(
    [gpu?.deviceId, gpu?.pciAddress, gpu?.renderNode?.split("/").at(-1), gpu?.uuid, gpu?.vramUsed],
    ["0x74a1", "0000:05:00.0", "renderD128", "GPU-1234567800000000", Math.floor(206141652992 * 0.0014)],
  );
});

Deno.test("each partition is a device with its share of VRAM and its index in the GPU", async () => {
  const { gpus } = await detect(HOSTS["MI300X CPX"]);
  assertEquals(gpus[9]?.partition, { compute: "CPX", memory: "NPS4", index: 1, count: 8 });
  assertEquals([gpus[9]?.pciAddress, gpus[9]?.renderNode?.split("/").at(-1)], ["0000:26:00.0", "renderD137"]);
  // DRM reports the VRAM use of all partitions together.
  assertEquals(gpus[9]?.vramUsed, null);
});

Deno.test("a pod with one render node has one GPU; the others give the reason they are unavailable", async () => {
  const found = await detect(HOSTS.MI300X, { minors: [131] });
  assertEquals([found.model, found.count, visible(found)], ["MI300X", 1, [3]]);
  assertMatch(found.gpus[0]?.hiddenBecause ?? "", /renderD128 does not exist .*--device/);
});

Deno.test("GPUs outside the device cgroup are detected by their render nodes but not counted", async () => {
  const outside = [128, 129, 130, 132, 133, 134, 135];
  const found = await detect(HOSTS.MI300X, { minors: [131], unreadable: outside });
  assertEquals([found.model, found.count, found.gpus.length, visible(found)], ["MI300X", 1, 8, [0]]);
  assertEquals(found.gpus[0]?.renderNode?.split("/").at(-1), "renderD131");
});

Deno.test("a GPU is unavailable if its render node cannot be opened", async () => {
  const found = await detect(HOSTS.W7900, { closed: [128] });
  assertEquals([found.model, found.count], [null, 0]);
  assertMatch(found.reasons[0] ?? "", /renderD128 cannot be opened: .*video and render/);
});

Deno.test("without /dev/kfd no GPU can be used, and the reason names it", async () => {
  const found = await detect(HOSTS.MI300X, { kfd: false });
  assertEquals([found.model, found.gpus.length], [null, 8]);
  assertMatch(found.reasons[0] ?? "", /\/kfd does not exist .*--device=\/dev\/kfd/);
});

Deno.test("DRM alone is enough to identify the GPUs", async () => {
  const found = await detect(HOSTS.MI325X, { topology: false });
  assertEquals([found.model, found.count, found.gpus[0]?.vramTotal], ["MI325X", 8, 256 * GIB]);
});

Deno.test("KFD alone is enough to identify the GPUs", async () => {
  const found = await detect(HOSTS.MI355X, { drm: false });
  assertEquals([found.model, found.count, found.gpus[0]?.vramTotal, found.gpus[0]?.vramUsed], [
    "MI355X",
    8,
    288 * GIB,
    null,
  ]);
});

Deno.test("a host without AMD GPUs has none, and the reasons list what was checked", async () => {
  const found = await detect([], { topology: false });
  assertEquals([found.source, found.model, found.count, found.gpus], ["none", null, 0, []]);
  assertEquals(found.reasons.length, 2);
  assertStringIncludes(found.reasons[1] ?? "", "amd-smi is not installed");
});

Deno.test("an unknown device id is reported with its id", async () => {
  const found = await detect([{ id: 0x9999, pci: "0000:03:00.0", minor: 128, vram: 64, gfx: 90900 }]);
  assertEquals([found.model, found.gpus[0]?.deviceId], ["UNKNOWN", "0x9999"]);
  assertStringIncludes(found.warnings[0] ?? "", "0x9999");
});

Deno.test("an integrated GPU next to the accelerators is not counted and not passed to the engine", async () => {
  const found = await detect([INTEGRATED, ...HOSTS.MI300X.slice(0, 1)]);
  assertEquals([found.model, found.count], ["MI300X", 1]);
  assertEquals(given(found, 1), "1");
});

Deno.test("with mixed models the most numerous is used, and the others are named in a warning", async () => {
  const found = await detect([...HOSTS.MI325X.slice(0, 2), ...HOSTS.MI300X.slice(2, 8)]);
  assertEquals([found.model, found.count], ["MI300X", 6]);
  assert(found.warnings.some((warning) => /using 6 MI300X, not 2 MI325X/.test(warning)));
});

const VISIBILITY: [string, Record<string, string>, number[], string | null][] = [
  ["ROCR indices", { ROCR_VISIBLE_DEVICES: "2,5" }, [2, 5], "0"],
  ["ROCR by UUID", { ROCR_VISIBLE_DEVICES: "GPU-1234567800000003" }, [3], null],
  ["ROCR by UUID and index", { ROCR_VISIBLE_DEVICES: "GPU-1234567800000007,1" }, [1, 7], "0"],
  ["an ambiguous UUID selects nothing", { ROCR_VISIBLE_DEVICES: "GPU-12345678" }, [], null],
  ["an empty ROCR list selects nothing", { ROCR_VISIBLE_DEVICES: "" }, [], null],
  ["the first bad index ends the list", { ROCR_VISIBLE_DEVICES: "1,9,2" }, [1], null],
  ["HIP within ROCR", { ROCR_VISIBLE_DEVICES: "4,5,6", HIP_VISIBLE_DEVICES: "0,2" }, [4, 6], "0"],
  ["HIP wins over CUDA", { HIP_VISIBLE_DEVICES: "3", CUDA_VISIBLE_DEVICES: "1" }, [3], null],
  ["CUDA where HIP is unset", { CUDA_VISIBLE_DEVICES: "1,2" }, [1, 2], "1"],
  ["an empty HIP list counts as unset", { HIP_VISIBLE_DEVICES: "", CUDA_VISIBLE_DEVICES: "6" }, [6], null],
  ["-1 selects nothing", { HIP_VISIBLE_DEVICES: "-1" }, [], null],
];

for (const [name, env, want, one] of VISIBILITY) {
  Deno.test(`visibility: ${name}`, async () => {
    const found = await detect(HOSTS.MI300X, { env });
    assertEquals([visible(found), found.count], [want, want.length]);
    if (want.length > 1) assertEquals(given(found, 1), one);
    const [variable = ""] = Object.keys(env);
    if (want.length === 0) assertStringIncludes(found.reasons[0] ?? "", variable);
  });
}

Deno.test("ROCR_VISIBLE_DEVICES indexes only GPUs that can be opened", async () => {
  const found = await detect(HOSTS.MI300X, { minors: [131, 133], env: { ROCR_VISIBLE_DEVICES: "1" } });
  assertEquals(visible(found), [5]);
});

Deno.test("a busy GPU's memory share is omitted if its total memory is unknown", async () => {
  await using tree = await makeTree(eight({ id: 0x74a1, vram: 192, gfx: 90402, busy: 97 }).slice(0, 1), {
    topology: false,
  });
  await Deno.remove(`${tree.sys}/class/drm/renderD128/device/mem_info_vram_total`);
  const { warnings } = await detectAccelerators({
    ...{ sysfsRoot: tree.sys, devRoot: tree.dev, procRoot: "/proc", amdSmi: "/none", env: {} },
    acceleratorType: "gpu",
  });
  assertEquals(warnings, ["GPU 0 (MI300X) is busy: 97 % active"]);
});

Deno.test("busy GPUs cause a warning, and idle ones are preferred if fewer are needed", async () => {
  const gpus = eight({ id: 0x74a1, vram: 192, gfx: 90402 }).map((gpu, at) => ({
    ...gpu,
    ...(at === 0 ? { busy: 97 } : at === 1 ? { used: 0.5 } : {}),
  }));
  const found = await detect(gpus);
  assertEquals(found.warnings.length, 2);
  assertMatch(found.warnings.join("\n"), /GPU 0 \(MI300X\) is busy: 97 % active.*\n.*GPU 1 .*50 % of VRAM/);
  assertEquals(visibleDevices(found, 2, {}), { env: { HIP_VISIBLE_DEVICES: "2,3" }, warnings: [] });
  assertEquals(visibleDevices(found, 8, {}), { env: {}, warnings: [] });
  const seven = visibleDevices(found, 7, {});
  assertEquals([seven.env.HIP_VISIBLE_DEVICES, seven.warnings.length], ["1,2,3,4,5,6,7", 1]);
});

Deno.test("chosen devices keep HIP's numbering", async () => {
  const found = await detect(HOSTS.MI300X, {
    env: { ROCR_VISIBLE_DEVICES: "4,5,6,7", HIP_VISIBLE_DEVICES: "3,1" },
  });
  assertEquals(visible(found), [5, 7]);
  assertEquals(given(found, 1), "1");
  assertEquals(given(found, 2), undefined);
});

/** HIP_VISIBLE_DEVICES, CUDA_VISIBLE_DEVICES, GPUs needed of four, and the exported variables. */
const DEVICES = [
  [undefined, undefined, 4, {}],
  [undefined, undefined, 2, { HIP_VISIBLE_DEVICES: "0,1" }],
  [undefined, "0,1", 1, { HIP_VISIBLE_DEVICES: "0", CUDA_VISIBLE_DEVICES: "0" }],
  ["0,1", "0,1", 4, {}],
  ["0", "1", 4, { CUDA_VISIBLE_DEVICES: "0" }],
  ["", "1", 4, {}],
  ["1", "", 4, {}],
  ["", "", 1, { HIP_VISIBLE_DEVICES: "0" }],
] as const;

Deno.test("the exported HIP and CUDA variables never disagree, and an empty one is kept if all GPUs are needed", async () => {
  const found = await detect(HOSTS.MI300X.slice(0, 4));
  for (const [hip, cuda, needed, expected] of DEVICES) {
    const env = { HIP_VISIBLE_DEVICES: hip, CUDA_VISIBLE_DEVICES: cuda };
    assertEquals(visibleDevices(found, needed, env).env, expected, JSON.stringify(env));
  }
});

Deno.test("a named model replaces detection", async () => {
  const found = await detectAccelerators({
    sysfsRoot: "/nonexistent",
    devRoot: "/nonexistent",
    amdSmi: "/nonexistent",
    env: {},
    procRoot: "/nonexistent",
    acceleratorType: "gpu",
    acceleratorModel: "MI300X",
    acceleratorCount: 2,
  });
  assertEquals([found.source, found.model, found.count], ["override", "MI300X", 2]);
  assertEquals(given(found, 1), undefined);
});

Deno.test("garbage in any file never causes an exception", async () => {
  await using tree = await makeTree(HOSTS.MI300X);
  const nodes = `${tree.sys}/class/kfd/kfd/topology/nodes`;
  const garbage = ["", "\0\0", "N/A\n", "-1\n", "99999999999999999999999\n", "simd_count\nsimd_count x\n"];
  let at = 0;
  for (
    const file of [
      `${nodes}/2/properties`,
      `${nodes}/3/gpu_id`,
      `${nodes}/4/mem_banks/0/properties`,
      `${tree.sys}/class/drm/renderD131/device/device`,
    ]
  ) {
    for (const text of garbage) {
      await Deno.writeTextFile(file, text);
      const found = await detectAccelerators({
        acceleratorType: "gpu",
        procRoot: "/nonexistent",
        sysfsRoot: tree.sys,
        devRoot: tree.dev,
        amdSmi: "/nonexistent",
        env: {},
      });
      assert(found.gpus.length >= 6, `${file} ${JSON.stringify(garbage[at++ % garbage.length])}`);
    }
  }
});

for (const word of ["UNKNOWN", "N/A", "n/a", ""]) {
  Deno.test(`a GPU whose compute partition is "${word}" is not partitioned`, async () => {
    const mode = { compute: word, memory: word, count: 1 };
    const found = await detect(HOSTS.MI300X.map((gpu) => ({ ...gpu, partition: mode })));
    assertEquals([found.model, found.count, found.partitioned], ["MI300X", 8, false]);
    // Without KFD's topology, DRM is the only source.
    const cards = await detect(HOSTS.MI300X.map((gpu) => ({ ...gpu, partition: mode })), { topology: false });
    assertEquals([cards.count, cards.partitioned, cards.gpus[0]?.vramTotal], [8, false, 206141652992]);
  });
}

import { assertEquals, assertMatch } from "@std/assert";
import { detectAccelerators } from "../../src/gpu/detect_accelerators.ts";
import type { GpuInventory } from "../../src/gpu/types.ts";

// Both formats are in use: ROCm 6 prints a bare array, ROCm 7 wraps it. Field names are those of `amd-smi
// static` and `amd-smi metric`.
const STATIC = [0, 1].map((gpu) => ({
  gpu,
  asic: {
    market_name: "AMD Instinct MI300X",
    vendor_id: "0x1002",
    device_id: "0x74a1",
    asic_serial: `0x123456780000000${gpu}`,
    target_graphics_version: "gfx942",
  },
  vram: { type: "HBM3", vendor: "N/A", size: { value: 196592, unit: "MB" }, bit_width: 8192 },
}));
const METRIC = [0, 1].map((gpu) => ({
  gpu,
  usage: {
    gfx_activity: gpu === 1 ? { value: 42, unit: "%" } : "N/A",
    umc_activity: { value: 0, unit: "%" },
  },
  mem_usage: { total_vram: { value: 196592, unit: "MB" }, used_vram: { value: 285, unit: "MB" } },
}));

async function withAmdSmi(script: string, env: Record<string, string> = {}): Promise<GpuInventory> {
  const directory = await Deno.makeTempDir({ prefix: "aim-smi-" });
  try {
    await Deno.writeTextFile(`${directory}/amd-smi`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return await detectAccelerators({
      acceleratorType: "gpu",
      procRoot: "/nonexistent",
      sysfsRoot: `${directory}/sys`,
      devRoot: `${directory}/dev`,
      amdSmi: `${directory}/amd-smi`,
      env,
      timeout: 700,
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const answers = (fixed: unknown, metric: unknown, before = "") =>
  `${before}\ncase "$1" in static) cat <<'J'\n${JSON.stringify(fixed)}\nJ\n;; metric) cat <<'J'\n${
    JSON.stringify(metric)
  }\nJ\n;; esac`;

for (
  const [name, script] of [
    ["a bare array", answers(STATIC, METRIC)],
    ["gpu_data", answers({ gpu_data: STATIC }, { gpu_data: METRIC })],
    [
      "warnings before the JSON",
      answers(STATIC, METRIC, "echo 'WARNING: user [uid 1000] is missing groups {render}'"),
    ],
    ["warnings in brackets before the JSON", answers(STATIC, METRIC, "echo '[WARNING] no group render'")],
  ] as const
) {
  Deno.test(`amd-smi is the fallback if sysfs has no GPU: ${name}`, async () => {
    const found = await withAmdSmi(script);
    assertEquals([found.source, found.model, found.count], ["amd-smi", "MI300X", 2]);
    const [first, second] = found.gpus;
    assertEquals(
      [
        first?.deviceId,
        first?.uuid,
        first?.vramTotal,
        first?.vramUsed,
        first?.busyPercent,
        second?.busyPercent,
      ],
      ["0x74a1", "GPU-1234567800000000", 196592 * 2 ** 20, 285 * 2 ** 20, 0, 42],
    );
  });
}

Deno.test("plain numbers and N/A in amd-smi's output are accepted", async () => {
  const fixed = [{ gpu: 0, asic: { device_id: 0x74a5 }, vram: { size: "N/A" } }];
  const metric = [{ gpu: 0, usage: "N/A", mem_usage: { total_vram: 1024, used_vram: "N/A" } }];
  const [gpu] = (await withAmdSmi(answers(fixed, metric))).gpus;
  assertEquals([gpu?.model, gpu?.vramTotal, gpu?.vramUsed, gpu?.busyPercent], [
    "MI325X",
    2 ** 30,
    null,
    null,
  ]);
});

Deno.test("visibility variables apply to GPUs listed by amd-smi", async () => {
  const found = await withAmdSmi(answers(STATIC, METRIC), { HIP_VISIBLE_DEVICES: "1" });
  assertEquals(found.gpus.map((gpu) => gpu.visible), [false, true]);
});

for (
  const [name, script, reason] of [
    ["hangs", "sleep 30", /did not finish within/],
    ["hangs and keeps its output open", "sleep 30 & sleep 30", /did not finish within/],
    ["fails", "echo 'ERROR: no driver' >&2; exit 255", /exited with 255: ERROR: no driver/],
    ["prints no JSON", "echo hello", /JSON/],
    ["prints broken JSON", "echo '[{\"gpu\": 0'", /JSON/],
    ["lists nothing", "echo '[]'", /lists no GPU/],
  ] as const
) {
  Deno.test(`amd-smi that ${name} gives a reason, not an exception`, async () => {
    const found = await withAmdSmi(script);
    assertEquals([found.source, found.model], ["none", null]);
    assertMatch(found.reasons.join("\n"), reason);
  });
}

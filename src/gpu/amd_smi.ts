import { type RunOptions, runProgram } from "../os/run_program.ts";
import { fieldsOf, isJsonObject, jsonOrNull } from "../values/json.ts";
import { acceleratorName, modelOf, uuidOf } from "./accelerators.ts";
import type { Device, Devices } from "./types.ts";

/** GPUs as `amd-smi` reports them. Never throws. Requires `--allow-run`. */
export async function readAmdSmi(program: string, options: RunOptions): Promise<Devices> {
  const run = async (...args: string[]) => {
    const { stdout, failed } = await runProgram(program, [...args, "--json"], options);
    // It may fail after printing all its results.
    return { gpus: parseAmdSmi(stdout), reason: failed ?? "amd-smi did not print JSON" };
  };
  const [fixed, load] = await Promise.all([
    run("static", "--asic", "--vram"),
    run("metric", "--usage", "--mem-usage"),
  ]);
  if (fixed.gpus === null) return { devices: [], warnings: [], reason: fixed.reason };
  const warnings = load.gpus === null
    ? [`amd-smi does not report how busy the GPUs are: ${load.reason}`]
    : [];
  const devices = fixed.gpus.map((gpu, at) =>
    device(gpu, load.gpus?.find((one) => one.gpu === gpu.gpu) ?? load.gpus?.[at])
  );
  return { devices, warnings, reason: devices.length > 0 ? null : "amd-smi lists no GPU" };
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The GPUs in an array or `{"gpu_data": […]}`, after lines such as `[WARNING] …`; `null` if it is not JSON.
 */
function parseAmdSmi(text: string): Fields[] | null {
  const value = jsonOrNull(text.slice(text.search(/^\s*(?:\[\s*[{\]]|\{)/m)));
  const list = isJsonObject(value) ? value.gpu_data : value;
  return Array.isArray(list) ? list.filter(isJsonObject) : null;
}

function device(fixed: Fields, load: Fields | undefined): Device {
  const [asic, vram] = [fieldsOf(fixed.asic), fieldsOf(fixed.vram)];
  const [usage, memory] = [fieldsOf(load?.usage), fieldsOf(load?.mem_usage)];
  const id = idOf(asic.device_id);
  const busy = [quantity(usage.gfx_activity), quantity(usage.umc_activity)].filter((value) => value !== null);
  const name = typeof asic.market_name === "string" ? acceleratorName(asic.market_name) : null;
  return {
    model: id === null && name !== null ? name : modelOf(id),
    deviceId: id,
    pciAddress: typeof fixed.bdf === "string" ? fixed.bdf.toLowerCase() : null,
    uuid: typeof asic.asic_serial === "string" ? uuidOf(asic.asic_serial) : null,
    renderNode: null,
    vramTotal: quantity(memory.total_vram, MEGA) ?? quantity(vram.size, MEGA),
    vramUsed: quantity(memory.used_vram, MEGA),
    busyPercent: busy.length === 0 ? null : Math.max(...busy),
    partition: null,
    hiddenBecause: null,
  };
}

const MEGA = 2 ** 20;
// amd-smi writes MB and means MiB.
const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: MEGA, GB: 2 ** 30, "%": 1 };

/** A number, `"N/A"`, or `{"value": …, "unit": …}`; without a unit, `unit`. */
function quantity(value: unknown, unit = 1): number | null {
  if (isJsonObject(value)) {
    const own = typeof value.unit === "string" ? UNITS[value.unit.toUpperCase()] : undefined;
    return quantity(value.value, own ?? unit);
  }
  const number = typeof value === "string" && /^\d+(\.\d+)?( ?%)?$/.test(value.trim())
    ? parseFloat(value)
    : value;
  return typeof number === "number" && Number.isFinite(number) ? number * unit : null;
}

function idOf(value: unknown): string | null {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number > 0
    ? `0x${number.toString(16).padStart(4, "0")}`
    : null;
}

import type { Device, Devices } from "./devices.ts";
import { acceleratorName } from "./accelerator_name.ts";
import { modelOf } from "./device_models.ts";

/** What a run of a program gave. */
export type ProgramOutput = { readonly stdout: string } | { readonly failed: string };

/** Runs `amd-smi` with arguments. */
export type RunAmdSmi = (args: readonly string[]) => Promise<ProgramOutput>;

/** How {@linkcode amdSmiProgram} runs it. */
export interface AmdSmiOptions {
  /** Milliseconds that it may take. */
  readonly timeout: number;
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program with a bounded wait. Never throws: what goes wrong is the result. Requires `--allow-run`.
 */
export function amdSmiProgram(program: string, { timeout, env, signal }: AmdSmiOptions): RunAmdSmi {
  return async (args) => {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeout);
    signal?.addEventListener("abort", () => abort.abort());
    if (signal?.aborted) abort.abort();
    try {
      const child = new Deno.Command(program, {
        args: [...args],
        clearEnv: true,
        env,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
        signal: abort.signal,
      }).spawn();
      // A grandchild may keep the pipes open after the kill, so the wait itself is bounded too.
      const output = await Promise.race([
        child.output(),
        new Promise<null>((done) =>
          abort.signal.addEventListener("abort", () => setTimeout(() => done(null), 200))
        ),
      ]);
      if (output === null || abort.signal.aborted) {
        return { failed: `${program} gave no answer within ${Math.round(timeout / 1000)} s` };
      }
      const decoder = new TextDecoder();
      const stdout = decoder.decode(output.stdout);
      if (output.success || stdout.includes("{") || stdout.includes("[")) return { stdout };
      const line = decoder.decode(output.stderr).trim().split("\n").at(-1) ?? "";
      return {
        failed: `${program} ended with ${output.code}${line === "" ? "" : `: ${line.slice(0, 200)}`}`,
      };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return { failed: `${program} is not installed` };
      return { failed: `${program} cannot be run: ${error instanceof Error ? error.message : error}` };
    } finally {
      clearTimeout(timer);
    }
  };
}

/** GPUs as `amd-smi` reports them. Never throws. */
export async function readAmdSmi(run: RunAmdSmi): Promise<Devices & { readonly reason: string | null }> {
  const [fixed, load] = await Promise.all([
    run(["static", "--asic", "--vram", "--json"]),
    run(["metric", "--usage", "--mem-usage", "--json"]),
  ]);
  if ("failed" in fixed) return { devices: [], warnings: [], reason: fixed.failed };
  const gpus = parseAmdSmi(fixed.stdout);
  if (gpus === null) return { devices: [], warnings: [], reason: "amd-smi did not print JSON" };
  const metrics = "failed" in load ? null : parseAmdSmi(load.stdout);
  const warnings = metrics === null
    ? [`amd-smi does not report how busy the GPUs are${"failed" in load ? `: ${load.failed}` : ""}`]
    : [];
  const devices = gpus.map((gpu, at) =>
    device(gpu, metrics?.find((one) => one.gpu === gpu.gpu) ?? metrics?.[at])
  );
  return { devices, warnings, reason: devices.length > 0 ? null : "amd-smi lists no GPU" };
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The GPUs in amd-smi's JSON: a bare array, or `{"gpu_data": […]}`, whatever is printed before it. `null`
 * if there is none.
 */
function parseAmdSmi(text: string): Fields[] | null {
  for (let at = text.search(/[[{]/); at !== -1; at = next(text, at)) {
    try {
      const value: unknown = JSON.parse(text.slice(at));
      const list = Array.isArray(value) ? value : isFields(value) ? value.gpu_data : undefined;
      if (Array.isArray(list)) return list.filter(isFields);
    } catch { /* a bracket of a warning: the JSON begins further on */ }
  }
  return null;
}

function next(text: string, at: number): number {
  const further = text.slice(at + 1).search(/[[{]/);
  // Warnings come before the JSON, a handful of lines at most.
  return further === -1 || at > 65536 ? -1 : at + 1 + further;
}

function device(fixed: Fields, load: Fields | undefined): Device {
  const asic = fields(fixed.asic),
    vram = fields(fixed.vram),
    usage = fields(load?.usage),
    memory = fields(load?.mem_usage);
  const id = typeof asic.device_id === "string" || typeof asic.device_id === "number"
    ? idOf(asic.device_id)
    : null;
  const busy = [quantity(usage.gfx_activity), quantity(usage.umc_activity)].filter((value) => value !== null);
  const name = typeof asic.market_name === "string" ? acceleratorName(asic.market_name) : null;
  return {
    model: id === null && name !== null ? name : modelOf(id),
    deviceId: id,
    pciAddress: typeof fixed.bdf === "string" ? fixed.bdf.toLowerCase() : null,
    uuid: serial(asic.asic_serial),
    renderNode: null,
    vramTotal: quantity(memory.total_vram, MEGA) ?? quantity(vram.size, MEGA),
    vramUsed: quantity(memory.used_vram, MEGA),
    busyPercent: busy.length === 0 ? null : Math.max(...busy),
    partition: null,
    closedBecause: null,
  };
}

const MEGA = 2 ** 20;
// amd-smi writes MB and means MiB.
const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: MEGA, GB: 2 ** 30, "%": 1 };

/** A number, `"N/A"`, or `{"value": …, "unit": …}`; without a unit, `unit`. */
function quantity(value: unknown, unit = 1): number | null {
  if (isFields(value)) {
    const own = typeof value.unit === "string" ? UNITS[value.unit.toUpperCase()] : undefined;
    return quantity(value.value, own ?? unit);
  }
  const number = typeof value === "string" && /^\d+(\.\d+)?( ?%)?$/.test(value.trim())
    ? parseFloat(value)
    : value;
  return typeof number === "number" && Number.isFinite(number) ? number * unit : null;
}

function idOf(value: string | number): string | null {
  const number = Number(value);
  return Number.isInteger(number) && number > 0 ? `0x${number.toString(16).padStart(4, "0")}` : null;
}

function serial(value: unknown): string | null {
  const digits = typeof value === "string" ? /^0x([0-9a-f]{1,16})$/i.exec(value)?.[1] : undefined;
  return digits === undefined ? null : `GPU-${digits.toLowerCase().padStart(16, "0")}`;
}

function fields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

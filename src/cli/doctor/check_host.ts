import { errnoOf, errorFrom } from "../../errors/from_unknown.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import type { KernelFiles } from "../../os/kernel_files.ts";
import { nodeModule } from "../../os/node_module.ts";
import { freeBytes } from "../../transfer/free_space.ts";
import { formatBytes } from "../format.ts";
import { grouped, hiddenGpus, inventoryInWords } from "../gpu_table.ts";
import { type Check, check, type CheckState } from "./check.ts";

/** The GPUs with warnings, and which ones this container cannot use and why; or the processor. */
export function checkGpus(gpus: GpuInventory): Check[] {
  if (gpus.cpu !== null) return [check("processor", "ok", inventoryInWords(gpus))];
  const usable = gpus.model !== null && gpus.count > 0;
  const todo = "give the container /dev/kfd and /dev/dri, or name the GPU with AIM_GPU_MODEL";
  return [
    usable
      ? check("GPUs", "ok", inventoryInWords(gpus))
      : check("GPUs", "failed", gpus.reasons.join("; ") || "no GPU found", todo),
    ...grouped(gpus.warnings).map((found) => check("GPUs", "warning", found)),
    // A container often gets only some of a host's GPUs, on purpose.
    ...hiddenGpus(gpus.gpus).map((found) => check("GPUs", usable ? "ok" : "warning", `not used: ${found}`)),
  ];
}

/** With less shared memory, the engine's processes on several GPUs cannot exchange data. */
const LEAST_SHARED = 1 << 30;

/** Facts about the host; tests pass other values. */
export interface HostFacts {
  readonly files: KernelFiles;
  /** Bytes; `available`: what programs can still allocate. */
  readonly memory: { readonly available: number; readonly total: number };
  /** GPUs that the profile uses; `null` if no profile fits. */
  readonly gpuCount: number | null;
  /** Bytes of the model; `null` if unknown. */
  readonly modelBytes: number | null;
}

/** Compares this container's memory and shared memory with what the model needs. */
export function checkHost(facts: HostFacts): Check[] {
  return [checkShared(facts), checkMemory(facts)];
}

function checkShared({ files, memory, gpuCount }: HostFacts): Check {
  const mounts = files.text("/proc/self/mounts");
  const options = mounts.kind === "ok" ? /^\S+ \/dev\/shm \S+ (\S+)/m.exec(mounts.value)?.[1] : undefined;
  if (options === undefined) {
    return check("/dev/shm", "warning", "it is not mounted", "run the container with --ipc=host");
  }
  const kib = /(?:^|,)size=(\d+)k/.exec(options)?.[1];
  // Without that option a tmpfs may take half of the memory (tmpfs(5)).
  const bytes = kib === undefined ? memory.total / 2 : Number(kib) * 1024;
  const found = formatBytes(bytes);
  if (bytes >= LEAST_SHARED || gpuCount === 1) return check("/dev/shm", "ok", found);
  const todo = "run the container with --ipc=host or --shm-size=16g";
  return check("/dev/shm", "warning", `${found}, too little for an engine on several GPUs`, todo);
}

function checkMemory({ files, memory, modelBytes }: HostFacts): Check {
  const limit = files.text("/sys/fs/cgroup/memory.max");
  const most = limit.kind === "ok" && /^\d+$/.test(limit.value.trim()) ? Number(limit.value) : Infinity;
  const bytes = Math.min(most, memory.available);
  const found = `${formatBytes(bytes)} available${most < Infinity ? `, limit ${formatBytes(most)}` : ""}`;
  if (modelBytes === null || modelBytes <= bytes) return check("host memory", "ok", found);
  const todo = "loading may be slow or get killed: give the container more memory";
  return check("host memory", "warning", `${found}; the model is ${formatBytes(modelBytes)}`, todo);
}

/** Whether the engine can listen on its port. */
export function checkPort(port: number): Check {
  try {
    Deno.listen({ port, hostname: "0.0.0.0" }).close();
    return check("port", "ok", `${port} is free`);
  } catch (error) {
    const why = error instanceof Deno.errors.AddrInUse
      ? "is in use by another process"
      : `cannot be used: ${error instanceof Error ? error.message : String(error)}`;
    return check("port", "failed", `${port} ${why}`, "end that process, or set AIM_PORT");
  }
}

/**
 * Whether a cache directory has space and is writable, by creating and removing a file. If it does not exist,
 * checks the nearest directory above it. `whenBad`: `failed` if serving downloads into it.
 */
export async function checkDirectory(name: string, path: string, whenBad: CheckState): Promise<Check> {
  if (/^\/(?:dev|proc|sys)(?:\/|$)/.test(path)) {
    const found = `${path}: aim cannot use paths below /dev, /proc and /sys (Deno forbids it)`;
    const todo = "set AIM_CACHE_PATH to a directory elsewhere: a mounted volume, or a tmpfs at /mnt";
    return check(name, "failed", found, todo);
  }
  const space = await freeBytes(path);
  const at = space?.at ?? path;
  const missing = at === path ? "" : ", does not exist yet";
  const free = space === null ? "" : `${formatBytes(space.free)} free, `;
  try {
    if (at === path) await tryToWrite(path);
    else await nodeModule("node:fs/promises").access(at, W_OK);
  } catch (thrown) {
    const { message, hint = "check that its volume is mounted" } = errorFrom(thrown, path);
    const readOnly = ["EROFS", "EACCES", "EPERM"].includes(errnoOf(thrown) ?? "") ||
      thrown instanceof Deno.errors.PermissionDenied;
    return check(name, whenBad, readOnly ? `${path}: not writable${missing}` : message, hint);
  }
  return space?.free === 0
    ? check(name, whenBad, `${path}: ${free}writable`, "free some space or use a larger volume")
    : check(name, "ok", `${path}: ${free}writable${missing}`);
}

/** `access(2)`: writable. */
const W_OK = 2;

async function tryToWrite(directory: string): Promise<void> {
  const probe = await Deno.makeTempFile({ dir: directory, prefix: ".aim-doctor-" });
  try {
    await Deno.writeTextFile(probe, "aim doctor");
  } finally {
    await Deno.remove(probe);
  }
}

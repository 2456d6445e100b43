import type { KernelFiles } from "../../os/kernel_files.ts";
import { formatBytes } from "../format.ts";
import { type Check, check } from "./check.ts";

/** With less shared memory, the engine's processes on several GPUs cannot exchange data. */
const LEAST_SHARED = 1 << 30;

/** What is known of the host; tests pass other values. */
export interface HostFacts {
  readonly files: KernelFiles;
  /** Bytes of memory that programs can still allocate. */
  readonly availableMemory: number;
  readonly totalMemory: number;
  /** GPUs that the profile uses; `null` if no profile fits. */
  readonly gpuCount: number | null;
  /** Bytes of the model; `null` if unknown. */
  readonly modelBytes: number | null;
}

/** Compares this container's memory and shared memory with what the model needs. */
export function checkHost(facts: HostFacts): Check[] {
  return [checkShared(facts), checkMemory(facts)];
}

function checkShared({ files, totalMemory, gpuCount }: HostFacts): Check {
  const mounts = files.text("/proc/self/mounts");
  const options = mounts.kind === "ok" ? /^\S+ \/dev\/shm \S+ (\S+)/m.exec(mounts.value)?.[1] : undefined;
  if (options === undefined) {
    return check("/dev/shm", "warning", "it is not mounted", "run the container with --ipc=host");
  }
  const kib = /(?:^|,)size=(\d+)k/.exec(options)?.[1];
  // Without that option a tmpfs may take half of the memory (tmpfs(5)).
  const bytes = kib === undefined ? totalMemory / 2 : Number(kib) * 1024;
  const found = formatBytes(bytes);
  if (bytes >= LEAST_SHARED || gpuCount === 1) return check("/dev/shm", "ok", found);
  const todo = "run the container with --ipc=host or --shm-size=16g";
  return check("/dev/shm", "warning", `${found}, too little for an engine on several GPUs`, todo);
}

function checkMemory({ files, availableMemory, modelBytes }: HostFacts): Check {
  const limit = files.text("/sys/fs/cgroup/memory.max");
  const most = limit.kind === "ok" && /^\d+$/.test(limit.value.trim()) ? Number(limit.value) : Infinity;
  const bytes = Math.min(most, availableMemory);
  const found = `${formatBytes(bytes)} available${most < Infinity ? `, limit ${formatBytes(most)}` : ""}`;
  if (modelBytes === null || modelBytes <= bytes) return check("host memory", "ok", found);
  const todo = "loading may be slow or be killed: give the container more memory";
  return check("host memory", "warning", `${found}; the model has ${formatBytes(modelBytes)}`, todo);
}

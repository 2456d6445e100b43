import type { KernelFiles } from "../../os/kernel_files.ts";
import { formatBytes } from "../format.ts";
import type { Check } from "./check.ts";

/** Shared memory below this stops the engine's processes from exchanging data on several GPUs. */
const LEAST_SHARED = 1 << 30;

/** What is looked at, so that tests can give other answers. */
export interface HostFacts {
  readonly files: KernelFiles;
  /** Bytes of memory that programs can still take. */
  readonly availableMemory: number;
  readonly totalMemory: number;
  /** GPUs that the profile takes; `null` where none fits. */
  readonly gpuCount: number | null;
  /** Bytes of the model; `null` where nothing tells. */
  readonly modelBytes: number | null;
}

/** Shared memory and memory of this container, against what the model takes. */
export function checkHost(facts: HostFacts): Check[] {
  return [checkShared(facts), checkMemory(facts)];
}

function checkShared({ files, totalMemory, gpuCount }: HostFacts): Check {
  const name = "/dev/shm";
  const mounts = files.text("/proc/self/mounts");
  const options = mounts.kind === "ok" ? /^\S+ \/dev\/shm \S+ (\S+)/m.exec(mounts.value)?.[1] : undefined;
  if (options === undefined) {
    return { name, state: "warning", found: "it is not mounted", todo: "run the container with --ipc=host" };
  }
  const kib = /(?:^|,)size=(\d+)k/.exec(options)?.[1];
  // Without an option a tmpfs may take half of the memory (tmpfs(5)).
  const bytes = kib === undefined ? totalMemory / 2 : Number(kib) * 1024;
  const found = formatBytes(bytes);
  return bytes >= LEAST_SHARED || gpuCount === 1 ? { name, state: "ok", found } : {
    name,
    state: "warning",
    found: `${found}, little for an engine on several GPUs`,
    todo: "run the container with --ipc=host or --shm-size=16g",
  };
}

function checkMemory({ files, availableMemory, modelBytes }: HostFacts): Check {
  const name = "host memory";
  const limit = files.text("/sys/fs/cgroup/memory.max");
  const most = limit.kind === "ok" && /^\d+$/.test(limit.value.trim()) ? Number(limit.value) : Infinity;
  const bytes = Math.min(most, availableMemory);
  const found = `${formatBytes(bytes)} available${most < Infinity ? `, limit ${formatBytes(most)}` : ""}`;
  return modelBytes === null || modelBytes <= bytes ? { name, state: "ok", found } : {
    name,
    state: "warning",
    found: `${found}; the model has ${formatBytes(modelBytes)}`,
    todo: "loading may be slow or be killed: give the container more memory",
  };
}

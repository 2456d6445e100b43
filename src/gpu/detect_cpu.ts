import type { KernelFiles } from "../os/kernel_files.ts";
import { epycOf, GENERIC_CPU } from "./accelerators.ts";
import type { Cpu } from "./types.ts";

/**
 * The processor, and how many of its cores this container may use: the smallest of its control group's quota
 * (rounded down, at least 1) and the cores that its control group and affinity allow. Never throws.
 *
 * Sources: the kernel's `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/cpusets.rst`,
 * `cputopology.rst`, proc(5).
 *
 * @param anyChip `true`: even an EPYC counts as a processor of no particular kind.
 */
export function detectCpu(files: KernelFiles, sys: string, proc: string, anyChip: boolean): Cpu {
  const read = (path: string): string | null => {
    const text = files.text(path);
    return text.kind === "ok" && text.value.trim() !== "" ? text.value.trim() : null;
  };
  const info = read(`${proc}/cpuinfo`) ?? "";
  const field = (name: string) =>
    new RegExp(`^${name}\\s*:\\s*(.+)$`, "m").exec(info)?.[1]?.trim() ?? "unknown";
  const chip = /EPYC\s+(9[0-9A-Z]{3}[A-Z]?)\b/i.exec(field("model name"))?.[1] ?? null;
  const listed = listedIn(read(`${sys}/devices/system/cpu/present`)) ??
    info.match(/^processor\s*:/gm)?.length;
  const nodeCores = listed ?? Math.max(1, navigator.hardwareConcurrency);
  // Limits of the process's own control group, and of the root, which is its own group inside a container.
  const groups = ["", ...groupsIn(read(`${proc}/self/cgroup`) ?? "")];
  const first = (names: readonly string[]) =>
    groups.toReversed().values().flatMap((group) => names.map((name) => name.replace("*", group)))
      .map((path) => read(`${sys}/fs/cgroup${path}`)).find((text) => text !== null) ?? null;
  const cpuset = first(["*/cpuset.cpus.effective", "*/cpuset.cpus", "/cpuset*/cpuset.cpus"]);
  const quotas = groups.flatMap((group) => {
    const v1 = `${sys}/fs/cgroup/cpu${group}`;
    const [quota, period] = [read(`${v1}/cpu.cfs_quota_us`), read(`${v1}/cpu.cfs_period_us`)];
    return [quotaOf(read(`${sys}/fs/cgroup${group}/cpu.max`)), quotaOf(`${quota} ${period}`)];
  }).filter((quota) => quota !== null);
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(read(`${proc}/self/status`) ?? "")?.[1] ?? null;
  const cores = Math.min(...quotas, listedIn(cpuset) ?? Infinity, listedIn(allowed) ?? Infinity, nodeCores);
  return {
    vendor: field("vendor_id"),
    name: field("model name"),
    chip,
    model: (anyChip || chip === null ? null : epycOf(chip)) ?? GENERIC_CPU,
    cores,
    nodeCores,
    cpuset: quotas.length > 0 || listedIn(cpuset) === null ? null : cpuset,
  };
}

/** How many numbers a list such as `0-3,8` contains. */
function listedIn(list: string | null): number | null {
  if (list === null || !/^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/.test(list)) return null;
  return list.split(",").reduce((sum, part) => {
    const [low = 0, high = low] = part.split("-").map(Number);
    return sum + Math.max(0, high - low + 1);
  }, 0);
}

/** Cores of `max 100000`, `400000 100000`, or `-1 100000`; `null` without a limit. */
function quotaOf(text: string | null): number | null {
  const [quota, period] = (text ?? "").split(/\s+/).map(Number);
  if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) return null;
  return Math.max(1, Math.floor(quota / period));
}

/** Paths of this process's control groups (v2, and v1's cpu and cpuset), each after its parents. */
function groupsIn(text: string): string[] {
  return [...text.matchAll(/^\d+:(.*):(\/\S+)$/gm)]
    .filter(([, controllers]) => controllers === "" || /\bcpu(?:set)?\b/.test(controllers ?? ""))
    // A limit of a parent group applies too.
    .flatMap(([, , path = ""]) =>
      path.includes("..") ? [] : path.split("/").map((_, at, parts) => parts.slice(0, at + 1).join("/"))
    )
    .filter((path) => path !== "");
}

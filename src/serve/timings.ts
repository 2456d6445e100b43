import { startSteps } from "../log/start_steps.ts";
import { kernelFiles } from "../os/kernel_files.ts";

/**
 * The milliseconds that each step of the start took, in order, and `total`. The first, `launch`, is the time
 * from the start of the process to that of the runtime, including any unpacking.
 */
export function startTimings(): Readonly<Record<string, number>> {
  const launch = launchTime();
  const times = startSteps.map(([name, end], at) => [name, rounded(end - (startSteps[at - 1]?.[1] ?? 0))]);
  return Object.fromEntries([
    ...(launch === null ? [] : [["launch", rounded(launch)]]),
    ...times,
    ["total", rounded(performance.now() + (launch ?? 0))],
  ]);
}

/**
 * Milliseconds from the start of this process to that of the runtime, in steps of 10 ms (the kernel's clock);
 * `null` if unreadable.
 */
function launchTime(): number | null {
  const [stat, uptime] = ["/proc/self/stat", "/proc/uptime"].map((path) => kernelFiles().text(path));
  const now = Date.now();
  if (stat?.kind !== "ok" || uptime?.kind !== "ok") return null;
  // Field 22, counted after the name in brackets, which may have spaces (proc(5)).
  const ticks = Number(stat.value.slice(stat.value.lastIndexOf(")") + 2).split(" ")[19]);
  const started = now - Number(uptime.value.split(" ")[0]) * 1000 + ticks * 10;
  const launch = performance.timeOrigin - started;
  return Number.isFinite(launch) ? Math.max(0, launch) : null;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}

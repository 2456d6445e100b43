import { nodeModule } from "../../os/node_module.ts";
import { kernelFiles } from "../../os/kernel_files.ts";
import { fieldsOf } from "../../values/json.ts";

/** Who wrote a lock or a part record. */
export interface HostIdentity {
  readonly host: string;
  readonly pid: number;
  /** When the machine booted, in seconds since 1970 by its own clock: its page cache has all later writes. */
  readonly boot: number;
  /** What makes the PID unique; `null` if the kernel's files cannot be read. */
  readonly process: ProcessIdentity | null;
}

/** A process while it runs. */
export interface ProcessIdentity {
  /** The id of this start of the machine (`/proc/sys/kernel/random/boot_id`). */
  readonly bootId: string;
  /** The PID namespace: each container has its own. */
  readonly namespace: string;
  /** Clock ticks from the machine's start to the process's. */
  readonly started: number;
}

/** The identity in a lock or a part record, if there is one. Earlier versions wrote no `process`. */
export function hostIdentityFrom(json: unknown): HostIdentity | null {
  const { host, pid, boot, process } = fieldsOf(json);
  if (typeof host !== "string" || typeof pid !== "number" || typeof boot !== "number") return null;
  const { bootId, namespace, started } = fieldsOf(process);
  const isKnown = typeof bootId === "string" && typeof namespace === "string" && typeof started === "number";
  return { host, pid, boot, process: isKnown ? { bootId, namespace, started } : null };
}

/** This process. Requires sys permissions for `hostname` and `osUptime`. */
export function hostIdentity(): HostIdentity {
  return own ??= {
    host: Deno.hostname(),
    pid: Deno.pid,
    boot: Math.round(Date.now() / 1000 - Deno.osUptime()),
    process: processIdentity(),
  };
}

let own: HostIdentity | undefined;

/** True if both have the same host and boot. Uptime is in full seconds, and clocks are corrected slowly. */
export function sameBoot(a: HostIdentity, b: HostIdentity): boolean {
  return a.host === b.host && Math.abs(a.boot - b.boot) <= 5;
}

/** True if a process has certainly ended: it is in our PID namespace, and its PID is free or reused. */
export function isDead({ pid, process: other }: HostIdentity): boolean {
  const { process: self } = hostIdentity();
  if (other === null || self === null) return false;
  if (other.bootId !== self.bootId || other.namespace !== self.namespace) return false;
  const started = startOf(pid);
  return started !== undefined && started !== other.started;
}

/**
 * True if a process on this host has probably ended. It may still be running: a container with the same host
 * name sees other processes.
 */
export function knownGone(other: HostIdentity): boolean {
  if (isDead(other)) return true;
  const self = hostIdentity();
  if (other.host !== self.host || other.pid === self.pid) return false;
  if (!sameBoot(other, self)) return true;
  try {
    nodeModule("node:os").getPriority(other.pid);
    return false;
  } catch (error) {
    return error instanceof Error && error.message.includes("ESRCH");
  }
}

function processIdentity(): ProcessIdentity | null {
  const kernel = kernelFiles();
  const bootId = kernel.text("/proc/sys/kernel/random/boot_id");
  const namespace = kernel.link("/proc/self/ns/pid");
  const started = startOf(Deno.pid);
  if (bootId.kind !== "ok" || namespace.kind !== "ok" || typeof started !== "number") return null;
  return { bootId: bootId.value.trim(), namespace: namespace.value, started };
}

/** When a process was started, in clock ticks; `null` if there is none, `undefined` if unreadable. */
function startOf(pid: number): number | null | undefined {
  const stat = kernelFiles().text(`/proc/${pid}/stat`);
  if (stat.kind === "absent") return null;
  if (stat.kind !== "ok") return undefined;
  // proc_pid_stat(5): the name, the second field, may have spaces and parentheses; the start is the 22nd.
  const fields = stat.value.slice(stat.value.lastIndexOf(")") + 2).split(" ");
  const started = Number(fields[19]);
  // A zombie has ended, but its parent has not collected it yet.
  return fields[0] === "Z" || fields[0] === "X" ? null : Number.isFinite(started) ? started : undefined;
}

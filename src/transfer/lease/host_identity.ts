import os from "node:os";

/** Who wrote a lock or a part record, as far as can be told. */
export interface HostIdentity {
  readonly host: string;
  readonly pid: number;
  /** When the machine started, seconds since 1970 by its own clock: what was in the page cache after it is still there. */
  readonly boot: number;
}

/** This process. Requires sys permissions for `hostname` and `osUptime`. */
export function hostIdentity(): HostIdentity {
  return {
    host: Deno.hostname(),
    pid: Deno.pid,
    boot: Math.round(Date.now() / 1000 - Deno.osUptime()),
  };
}

/** True when no reboot lies between the two, on one host. Uptime is in whole seconds, and clocks are corrected slowly. */
export function sameBoot(a: HostIdentity, b: HostIdentity): boolean {
  return a.host === b.host && Math.abs(a.boot - b.boot) <= 5;
}

/**
 * True when a process on this very host is known to be gone. Nothing is known of other hosts, nor where asking is not permitted;
 * a container that shares the host's name may see another set of processes, so this alone proves nothing.
 */
export function knownGone(other: HostIdentity, self: HostIdentity): boolean {
  if (other.host !== self.host || other.pid === self.pid) return false;
  if (!sameBoot(other, self)) return true;
  try {
    os.getPriority(other.pid);
    return false;
  } catch (error) {
    return error instanceof Error && error.message.includes("ESRCH");
  }
}

import type { Gpu } from "./types.ts";

/** A GPU or partition as the machine reports it, whether or not this container may use it. */
export interface Device extends Omit<Gpu, "index" | "hipIndex" | "visible" | "hiddenBecause" | "source"> {
  /** Why this container cannot open it; `null` if it can. */
  readonly closedBecause: string | null;
}

/** Devices in the order of enumeration, and what could not be read. */
export interface Devices {
  readonly devices: readonly Device[];
  readonly warnings: readonly string[];
}

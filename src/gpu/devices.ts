/** A GPU or partition as the machine tells of it, before any question of who may use it. */
export interface Device {
  readonly model: string;
  readonly deviceId: string | null;
  readonly pciAddress: string | null;
  readonly uuid: string | null;
  readonly renderNode: string | null;
  readonly vramTotal: number | null;
  readonly vramUsed: number | null;
  readonly busyPercent: number | null;
  readonly partition: {
    readonly compute: string;
    readonly memory: string;
    readonly index: number;
    readonly count: number;
  } | null;
  /** Why this container cannot open it; `null` where it can. */
  readonly closedBecause: string | null;
}

/** Devices in the order of enumeration, and what could not be read. */
export interface Devices {
  readonly devices: readonly Device[];
  readonly warnings: readonly string[];
}

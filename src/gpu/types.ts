export type GpuSource = "sysfs" | "amd-smi";

/** A host's processor, and the part of it that this container may use. */
export interface Cpu {
  /** `AuthenticAMD`. */
  readonly vendor: string;
  /** `AMD EPYC 9654 96-Core Processor`. */
  readonly name: string;
  /** EPYC's number, `9654P`; `null` for another processor. */
  readonly chip: string | null;
  /** AIM's name: `EPYC_ZEN4`, or `CPU`. */
  readonly model: string;
  /** Cores (hardware threads) that this container may use. */
  readonly cores: number;
  readonly nodeCores: number;
  /** The set of those cores, `0-63`; `null` if they are not limited by a set. */
  readonly cpuset: string | null;
}

/** One GPU, or one partition of a partitioned GPU. */
export interface Gpu {
  /** Position in ROCm's enumeration, before any filter. */
  readonly index: number;
  /** Position as HIP counts it, within `ROCR_VISIBLE_DEVICES`; `null` if HIP does not see it. */
  readonly hipIndex: number | null;
  /** AIM's name (`MI300X`), or `UNKNOWN`. */
  readonly model: string;
  /** PCI device id as `0x74a1`; `null` if unknown. */
  readonly deviceId: string | null;
  /** `0000:c1:00.0`. */
  readonly pciAddress: string | null;
  /** `GPU-<16 hex digits>`, as `ROCR_VISIBLE_DEVICES` takes it. */
  readonly uuid: string | null;
  /** `/dev/dri/renderD128`. */
  readonly renderNode: string | null;
  /** Bytes. A partition's own share. */
  readonly vramTotal: number | null;
  readonly vramUsed: number | null;
  /** 0 to 100. */
  readonly busyPercent: number | null;
  /** `null` for an unpartitioned GPU. */
  readonly partition: {
    readonly compute: string;
    readonly memory: string;
    readonly index: number;
    readonly count: number;
  } | null;
  /** This container can use it. */
  readonly visible: boolean;
  /** `null` if visible. */
  readonly hiddenBecause: string | null;
  readonly source: GpuSource;
}

/** A GPU as the machine reports it; `hiddenBecause` only says why it cannot be opened. */
export type Device = Omit<Gpu, "index" | "hipIndex" | "visible" | "source">;

/** Devices in the order of enumeration, and what could not be read. */
export interface Devices {
  readonly devices: readonly Device[];
  readonly warnings: readonly string[];
  /** Why there are none; `null` if there are some. */
  readonly reason: string | null;
}

export interface GpuInventory {
  readonly type: "gpu" | "cpu";
  readonly source: GpuSource | "cpuinfo" | "override" | "none";
  /** All found, visible or not, by index; none if a setting names the model. */
  readonly gpus: readonly Gpu[];
  readonly cpu: Cpu | null;
  /** The most numerous model among visible GPUs, `null` if none is visible; or the processor's. */
  readonly model: string | null;
  /** How many visible GPUs are of that model; or how many cores this container may use. */
  readonly count: number;
  readonly partitioned: boolean;
  /** One line each: mixed models, busy GPUs, unreadable files. */
  readonly warnings: readonly string[];
  /** Why nothing was found or is visible, by source tried; empty if something is. */
  readonly reasons: readonly string[];
}

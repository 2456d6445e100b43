import type { Config } from "../config/config.ts";
import type { GpuInventory } from "../gpu/types.ts";
import type { YamlFault } from "../values/read_yaml.ts";
import type { ConfigMap } from "../values/value.ts";

/** Ranked: the earlier is preferred. */
export const PRECISIONS = ["int4", "int8", "fp4", "fp8", "fp16", "bf16", "fp32"] as const;
export const METRICS = ["latency", "throughput"] as const;
/** Ranked: the earlier is preferred. */
export const PROFILE_TYPES = ["optimized", "preview", "unoptimized", "general"] as const;

/** A profile file: its content and place. */
export interface Profile {
  /** The file's stem, prefixed `general/`, `custom/general/` or `custom/<aim_id>/`. */
  readonly id: string;
  /** Path on disk, or `embedded:<path below profiles/>`. */
  readonly path: string;
  /** 1 custom, 2 model, 3 general. */
  readonly priority: 1 | 2 | 3;
  /** `null` for a general profile. */
  readonly aimId: string | null;
  readonly modelId: string | null;
  /** Everything that selection uses. */
  readonly metadata: {
    readonly engine: string;
    readonly acceleratorType: "gpu" | "cpu";
    /** As in the table of accelerators, `MI300X` or `EPYC_9965`; another name fits no hardware. */
    readonly acceleratorModel: string;
    /** GPUs, or cores of a processor. */
    readonly acceleratorCount: number;
    readonly precision: (typeof PRECISIONS)[number];
    readonly metric: (typeof METRICS)[number];
    readonly type: (typeof PROFILE_TYPES)[number];
    /** Only `AIM_PROFILE_ID` selects it: by its `manual_selection_only`, else if it is `unoptimized`. */
    readonly manualSelectionOnly: boolean;
    readonly variant: string | null;
    readonly primary: boolean;
    readonly features: readonly string[];
  };
  readonly content: ConfigMap;
}

/** What the place of a profile's file determines. */
export interface ProfilePlace extends Pick<Profile, "path" | "priority"> {
  /** The profile's id, unless it is a custom one for a model. */
  readonly id: string;
  /** `general`: its own model is ignored; `model`: it must have one; `either`: as the content says. */
  readonly kind: "general" | "model" | "either";
}

export interface SchemaFault {
  /** Keys and list indices from the top of the file. */
  readonly path: readonly string[];
  /** The fault is the key, not its value. @default {false} */
  readonly atKey?: boolean;
  /** One clause that names the value. */
  readonly reason: string;
}

/** A fault in a profile file: `file:line:column: reason`. */
export interface ProfileFault extends YamlFault {
  readonly path: string;
}

/** What was found in one or more files. */
export interface Findings<Fault> {
  /** A file with faults is not used. */
  readonly faults: readonly Fault[];
  /** Oddities that do no harm. */
  readonly warnings: readonly Fault[];
}

/** A file that was read: its profile, `null` if its content is not one. */
export interface Reading<Fault> extends Findings<Fault> {
  readonly profile: Profile | null;
}

/** A check of a profile beyond its schema. */
export type ProfileCheck = (profile: Profile) => Findings<SchemaFault>;

export interface Criteria extends Pick<Config, "engine" | "metric" | "precision" | "generalFallback"> {
  /** `AIM_ID`, else `AIM_MODEL_ID`; `null` for an S3 URI or a path, which only general profiles fit. */
  readonly model: string | null;
  /** `null`: no GPU is visible and none is named; any accelerator fits then (for downloads only). */
  readonly accelerator:
    | Pick<GpuInventory, "type" | "partitioned"> & {
      readonly model: string;
      readonly available: number;
      /** A requested count, which must match exactly; `null` for `auto`. */
      readonly requested: number | null;
      /** Named by a setting; the hardware was not detected, so any count may be requested. */
      readonly named: boolean;
    }
    | null;
}

/** In the order in which they are checked: the later, the nearer to fitting. */
export const PROFILE_STATES = [
  "engine_mismatch",
  "metric_mismatch",
  "model_mismatch",
  "accelerator_mismatch",
  "precision_mismatch",
  "compatible",
] as const;
export type ProfileState = (typeof PROFILE_STATES)[number];

export interface Mismatch {
  /** `compatible` if the profile only has to be named or allowed. */
  readonly state: ProfileState;
  /** One clause with both values. */
  readonly reason: string;
  /** The setting that would make it fit, as `AIM_METRIC=latency`; `null` if only other hardware would. */
  readonly remedy: string | null;
  /** The profile is for another accelerator model than this host has. */
  readonly otherModel?: boolean;
}

export interface JudgedProfile {
  readonly profile: Profile;
  readonly state: ProfileState;
  /** One clause: the first mismatch; for compatible ones, why it ranks where it does. */
  readonly reason: string;
  /** Never selected automatically: by its metadata, or a general profile with the fallback off. */
  readonly manualOnly: boolean;
  /** Everything that prevents its selection, in the order of states. */
  readonly mismatches: readonly Mismatch[];
}

import type { Criteria, Profile } from "../../src/profiles/types.ts";

/** A profile for tests; `metadata` may be partial. */
export function makeProfile(
  parts: Partial<Omit<Profile, "metadata">> & { metadata?: Partial<Profile["metadata"]> } = {},
): Profile {
  return {
    id: "p",
    path: `/profiles/${parts.id ?? "p"}.yaml`,
    priority: 2,
    aimId: "org/model",
    modelId: "org/model",
    content: new Map(),
    ...parts,
    metadata: {
      engine: "vllm",
      acceleratorType: "gpu",
      acceleratorModel: "MI300X",
      precision: "fp16",
      acceleratorCount: 1,
      metric: "latency",
      manualSelectionOnly: false,
      type: "optimized",
      variant: null,
      primary: false,
      features: [],
      ...parts.metadata,
    },
  };
}

/** Criteria for tests; by default eight MI300X, everything automatic. */
export function makeCriteria(
  parts: Partial<Omit<Criteria, "accelerator">> & {
    accelerator?: Partial<NonNullable<Criteria["accelerator"]>> | null;
  } = {},
): Criteria {
  return {
    engine: "vllm",
    metric: "latency",
    model: "org/model",
    precision: "auto",
    generalFallback: true,
    ...parts,
    accelerator: parts.accelerator === null ? null : {
      type: "gpu",
      model: "MI300X",
      available: 8,
      requested: null,
      partitioned: false,
      named: false,
      ...parts.accelerator,
    },
  };
}

import { basename } from "@std/path";
import { isMap } from "../values/value.ts";
import { RETIRED } from "./profile_from_value.ts";
import { compareText } from "./rank.ts";
import type { SchemaFault } from "./schema_fault.ts";
import type { Profile, ProfileFault } from "./types.ts";

/**
 * What AMD's own check of a profile refuses beyond what its runtime does: retired keys, and another file name
 * than the metadata give.
 */
export function styleFaults({ path, metadata, content }: Profile): SchemaFault[] {
  const written = content.get("metadata");
  const retired = written !== undefined && isMap(written) ? RETIRED.filter((key) => written.has(key)) : [];
  const faults = retired.map((key): SchemaFault => ({
    path: ["metadata", key],
    atKey: true,
    reason: `${key} is retired: use ${REPLACEMENTS[key] ?? "type"}`,
  }));
  const { engine, acceleratorModel, acceleratorType, acceleratorCount, precision, metric, variant } =
    metadata;
  const count = acceleratorType === "cpu" ? 1 : acceleratorCount;
  const name = (format: string) =>
    `${engine}-${acceleratorModel.toLowerCase()}-${format}-tp${count}-${metric}${
      variant === null ? "" : `-${variant}`
    }.yaml`;
  // fp4 weights may be named by their format.
  const names = [precision, ...(precision === "fp4" ? ["mxfp4"] : [])].map(name);
  if (!names.includes(basename(path))) {
    faults.push({
      path: [],
      atKey: true,
      reason: `by its metadata the file's name is ${names.join(" or ")}`,
    });
  }
  return faults;
}

const REPLACEMENTS: Readonly<Record<string, string>> = {
  gpu: "accelerator_model",
  gpu_count: "accelerator_count",
  manual_selection_only: "type: unoptimized",
};

/**
 * Of each model's profiles for one accelerator and metric, exactly one is primary. General profiles have
 * none.
 */
export function primaryFaults(profiles: readonly Profile[]): ProfileFault[] {
  const groups = Map.groupBy(
    profiles.filter(({ aimId }) => aimId !== null),
    ({ aimId, metadata }) => JSON.stringify([aimId, metadata.acceleratorModel, metadata.metric]),
  );
  return [...groups.values()].flatMap((group): ProfileFault[] => {
    const primary = group.filter((one) => one.metadata.primary).map((one) => one.path).sort(compareText);
    const [path = group[0]?.path ?? ""] = primary;
    const { aimId, metadata } = group[0] ?? {};
    const what = `${aimId ?? "general"} on ${metadata?.acceleratorModel}, ${metadata?.metric}`;
    if (primary.length === 1) return [];
    const reason = primary.length === 0
      ? `no profile is primary for ${what}`
      : `several profiles are primary for ${what}: ${primary.map((one) => basename(one)).join(", ")}`;
    return [{ path, line: 1, column: 1, reason }];
  });
}

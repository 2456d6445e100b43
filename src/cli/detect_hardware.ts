import type { SettingName } from "../config/settings.ts";
import { detectGpus } from "../gpu/detect_gpus.ts";
import type { GpuInventory } from "../gpu/types.ts";
import type { CommandContext } from "./command.ts";

/** Settings of every command that looks at the hardware. */
export const HARDWARE_SETTINGS = [
  "gpuModel",
  "gpuCount",
  "sysfsRoot",
  "devRoot",
  "amdSmi",
] as const satisfies readonly SettingName[];

/** Settings of every command that selects a profile. */
export const SELECTION_SETTINGS = [
  "aimId",
  "modelId",
  "modelName",
  "precision",
  "metric",
  "engine",
  "profileId",
  "profilePath",
  "embeddedProfiles",
  "generalFallback",
  ...HARDWARE_SETTINGS,
] as const satisfies readonly SettingName[];

/** The `prepare` stage of commands that look at the hardware. */
export async function detectHardware(context: CommandContext<undefined>): Promise<GpuInventory> {
  const { config, env } = context;
  // Other programs may be asked, and wait: a container's first process is stopped by no signal that it does not watch.
  if (config.gpuModel === null) void context.signal;
  return await detectGpus({
    sysRoot: config.sysfsRoot,
    devRoot: config.devRoot,
    amdSmi: config.amdSmi,
    env,
    model: config.gpuModel,
    count: config.gpuCount === "auto" ? null : config.gpuCount,
  });
}

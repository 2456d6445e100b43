import { endStep } from "../log/start_steps.ts";
import { type SettingName, settingsIn } from "../config/settings.ts";
import { detectAccelerators } from "../gpu/detect_accelerators.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { log } from "../log/logger.ts";
import type { CommandContext } from "./command.ts";

/** Settings of every command that selects a profile. */
export const SELECTION_SETTINGS: readonly SettingName[] = [
  ...["aimId", "modelId", "modelName"] as const,
  ...settingsIn("profile", "gpu"),
];

/** The `prepare` stage of commands that look at the hardware. */
export async function detectHardware(context: CommandContext): Promise<GpuInventory> {
  const { config, env } = context;
  // amd-smi may hang, and a container's PID 1 gets only the signals that it handles.
  const signal = config.acceleratorModel === null ? context.signal : undefined;
  const found = await detectAccelerators({ ...config, env, signal });
  signal?.throwIfAborted();
  endStep("hardware");
  log.debug("hardware", {
    source: found.source,
    model: found.model,
    count: found.count,
    reasons: found.reasons,
  });
  for (const gpu of found.gpus) {
    const { source, model, renderNode, visible, hiddenBecause } = gpu;
    log.debug(`GPU ${gpu.index}`, { source, model, renderNode, visible, hiddenBecause });
  }
  return found;
}

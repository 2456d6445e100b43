import { type Removable, type RemovalPlan, removePlanned } from "../cache/clean_cache.ts";
import { sumOf } from "../cache/files.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { type CommandContext, type Flags, FORMAT_FLAG } from "./command.ts";
import { formatBytes } from "./format.ts";
import { folderInWords } from "./pick_models.ts";

export const REMOVAL_FLAGS: Flags = { "-y|--yes": "remove without asking", ...FORMAT_FLAG };

/**
 * Shows what would be removed, asks (unless `--yes` is given), and removes it. Models that are being
 * downloaded are kept.
 *
 * @param named The user named each model: after the others are removed, one that was kept is an error.
 * @throws {AimError} `usage` if it must ask and does not run in a terminal; `no-space` if a named model is
 *   being downloaded.
 */
export async function confirmRemoval(
  context: CommandContext,
  plans: readonly RemovalPlan[],
  { named = false }: { readonly named?: boolean } = {},
): Promise<void> {
  const free = plans.filter((plan) => plan.busy === null);
  const busy = plans.filter((plan) => plan.busy !== null);
  for (const plan of busy) {
    log.warn(`${folderInWords(plan.folder)} is kept: ${plan.busy} is downloading it`);
  }
  const planned = free.flatMap((plan) => plan.removables);
  if (context.flags.format !== "json") context.print(planned.map(lineOf).join(""));
  if (free.length === 0) {
    context.report({ removed: [], freedBytes: 0 }, () => "nothing to remove\n");
  } else if (context.flags.yes !== true && !ask(context, sumOf(planned.map(({ bytes }) => bytes)))) {
    context.print("nothing was removed\n");
  } else {
    const removed: Removable[] = [];
    for (const plan of free) removed.push(...await removePlanned(plan, context.signal));
    const freedBytes = sumOf(removed.map(({ bytes }) => bytes));
    context.report({ removed, freedBytes }, () => `removed, ${formatBytes(freedBytes)} freed\n`);
  }
  const [stays] = named ? busy : [];
  if (stays === undefined) return;
  const message = `cannot remove ${folderInWords(stays.folder)}: ${stays.busy} is downloading it`;
  const hint = "wait until it is done or stop that process, then retry";
  throw new AimError("no-space", message, { hint });
}

function lineOf({ path, why, bytes }: Removable): string {
  return `${formatBytes(bytes).padStart(9)}  ${path}  (${why})\n`;
}

function ask({ stdout }: CommandContext, bytes: number): boolean {
  if (!stdout.isTerminal || !Deno.stdin.isTerminal()) {
    const message = `removing ${formatBytes(bytes)} needs confirmation, but this is not a terminal`;
    throw new AimError("usage", message, { hint: "use --yes to remove without asking" });
  }
  return /^y(es)?$/i.test(prompt(`Remove ${formatBytes(bytes)}? [y/N]`) ?? "");
}

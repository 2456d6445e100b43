import { type Removable, type RemovalPlan, removePlanned } from "../cache/clean_cache.ts";
import { sumOf } from "../cache/files.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { type CommandContext, type Flags, FORMAT_FLAG } from "./command.ts";
import { formatBytes } from "./format.ts";
import { folderInWords } from "./pick_models.ts";

export const REMOVAL_FLAGS: Flags = { "-y|--yes": "remove without asking", ...FORMAT_FLAG };

/**
 * Shows what would be removed, asks (unless `--yes` is given), and removes it. A model that is being
 * downloaded stays.
 *
 * @param named The user has named each model, so one that stays is a failure, after the others are removed.
 * @throws {AimError} `usage` without a terminal to ask at; `no-space` for a named model that is being
 *   downloaded.
 */
export async function confirmRemoval(
  context: CommandContext,
  plans: readonly RemovalPlan[],
  { named = false }: { readonly named?: boolean } = {},
): Promise<void> {
  const free = plans.filter((plan) => plan.busy === null);
  const busy = plans.filter((plan) => plan.busy !== null);
  for (const plan of busy) {
    log.warn(`${folderInWords(plan.folder)} is left alone: ${plan.busy} is downloading it`);
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
    context.report({ removed, freedBytes }, () => `removed, ${formatBytes(freedBytes)} are free\n`);
  }
  const [stays] = named ? busy : [];
  if (stays === undefined) return;
  const message = `${folderInWords(stays.folder)} is not removed: ${stays.busy} is downloading it`;
  const hint = "wait until it is done or end that process, then run again";
  throw new AimError("no-space", message, { hint });
}

function lineOf({ path, why, bytes }: Removable): string {
  return `${formatBytes(bytes).padStart(9)}  ${path}  (${why})\n`;
}

function ask({ stdout }: CommandContext, bytes: number): boolean {
  if (!stdout.isTerminal || !Deno.stdin.isTerminal()) {
    const message = `removing ${formatBytes(bytes)} must be confirmed, and there is no terminal to ask on`;
    throw new AimError("usage", message, { hint: "give --yes to remove them" });
  }
  return /^y(es)?$/i.test(prompt(`Remove ${formatBytes(bytes)}? [y/N]`) ?? "");
}

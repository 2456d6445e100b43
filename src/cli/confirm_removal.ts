import { type Removable, type RemovalPlan, removePlanned } from "../cache/clean_cache.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import type { CommandContext, FlagSpec } from "./command.ts";
import { formatBytes } from "./format.ts";
import { folderInWords } from "./pick_models.ts";
import { jsonReport } from "./json_report.ts";
import { formatFlag } from "./format_flag.ts";
import { flag } from "./flag.ts";

export const REMOVAL_FLAGS: readonly FlagSpec[] = [
  flag("-y|--yes", "remove without asking"),
  formatFlag("text", "json"),
];

/**
 * Shows what would be removed, asks (unless `--yes` is given), and removes it. A model that is being downloaded stays.
 *
 * @param named The user has named each model, so one that stays is a failure, after the others are removed.
 * @throws {AimError} `usage` without a terminal to ask at; `no-space` for a named model that is being downloaded.
 */
export async function confirmRemoval(
  context: CommandContext,
  plans: readonly RemovalPlan[],
  { named }: { readonly named: boolean },
): Promise<number> {
  const code = await removeFree(context, plans);
  const [busy] = named ? plans.filter((plan) => plan.busy !== null) : [];
  if (busy === undefined) return code;
  throw new AimError(
    "no-space",
    `${folderInWords(busy.folder)} is not removed: ${busy.busy} is downloading it`,
    { hint: "wait until it is done or end that process, then run again" },
  );
}

async function removeFree(context: CommandContext, plans: readonly RemovalPlan[]): Promise<number> {
  const { flags, print, signal } = context;
  const json = flags.format === "json";
  for (const plan of plans.filter((one) => one.busy !== null)) {
    log.warn(`${folderInWords(plan.folder)} is left alone: ${plan.busy} is downloading it`);
  }
  const free = plans.filter((plan) => plan.busy === null);
  const bytes = free.flatMap((plan) => plan.removables).reduce((sum, one) => sum + one.bytes, 0);
  if (!json) { for (const line of linesOf(free)) print(`${line}\n`); }
  if (free.length === 0) {
    print(json ? jsonReport({ removed: [], freedBytes: 0 }) : "nothing to remove\n");
    return 0;
  }
  if (flags.yes !== true && !ask(context, bytes)) {
    print("nothing was removed\n");
    return 0;
  }
  const removed: Pick<Removable, "path" | "why" | "bytes">[] = [];
  for (const plan of free) {
    for (const { path, why, bytes } of await removePlanned(plan, signal)) removed.push({ path, why, bytes });
  }
  const freed = removed.reduce((sum, one) => sum + one.bytes, 0);
  print(
    json ? jsonReport({ removed, freedBytes: freed }) : `removed, ${formatBytes(freed)} are free\n`,
  );
  return 0;
}

function linesOf(plans: readonly RemovalPlan[]): string[] {
  return plans.flatMap((plan) =>
    plan.removables.map(({ path, why, bytes }) => `${formatBytes(bytes).padStart(9)}  ${path}  (${why})`)
  );
}

function ask({ stdout }: CommandContext, bytes: number): boolean {
  if (!stdout.isTerminal || !Deno.stdin.isTerminal()) {
    throw new AimError(
      "usage",
      `${formatBytes(bytes)} would be removed, and there is no terminal to ask at`,
      { hint: "give --yes to remove them" },
    );
  }
  return /^y(es)?$/i.test(prompt(`Remove ${formatBytes(bytes)}? [y/N]`) ?? "");
}

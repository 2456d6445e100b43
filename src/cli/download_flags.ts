import { settingsIn } from "../config/settings.ts";
import { signatureTrust } from "../download/check_signature.ts";
import { operatorGlobs } from "../download/operator_globs.ts";
import type { IntoOptions } from "../download/download_into.ts";
import { AimError } from "../errors/aim_error.ts";
import { type ModelRef, revisionIn, uriOf } from "../sources/model_ref.ts";
import { type CommandContext, type Flags, FORMAT_FLAG, listed, text } from "./command.ts";
import { PROGRESS_MODES } from "./progress.ts";

export const DOWNLOAD_SETTINGS = settingsIn("cache", "source", "download");

export const PROGRESS_FLAG: Flags = {
  [`--progress ${PROGRESS_MODES.join("|")}`]: "how progress is shown on standard error",
};

export const FILES_FLAGS: Flags = {
  "--revision REV": "branch, tag or commit of a hub model",
  "--include GLOB...": "only matching files; * also matches /",
  "--exclude GLOB...": "skip matching files",
};

/** Flags of the download commands. */
export const DOWNLOAD_FLAGS: Flags = {
  ...FILES_FLAGS,
  "--force": "download everything again",
  "--no-verify": "check only sizes, not digests",
  ...FORMAT_FLAG,
  ...PROGRESS_FLAG,
};

export function downloadOptions(context: CommandContext, ref: ModelRef): Omit<IntoOptions, "onEvent"> {
  const { config, flags, signal } = context;
  return {
    ...wantedFiles(context, ref),
    files: config.downloadFiles ?? "all",
    refuseUnsafe: config.refuseUnsafe,
    signature: signatureTrust(config),
    force: flags.force === true,
    signal,
    verify: flags["no-verify"] !== true,
  };
}

/**
 * The revision is `--revision`, or the reference's own `@REV`. The globs are `--include` and `--exclude`, or
 * else those in the operator's variables.
 *
 * @throws {AimError} `usage` if the source is not a hub but a revision is given, or two revisions differ.
 */
export function wantedFiles({ flags, env }: Pick<CommandContext, "flags" | "env">, ref: ModelRef) {
  const [given, pinned] = [text(flags.revision), revisionIn(ref) ?? undefined];
  if (given !== undefined && ref.kind !== "hub") {
    throw new AimError("usage", `--revision is "${given}", but ${uriOf(ref)} has no revisions`, {
      hint: "omit --revision: only hub models have revisions",
    });
  }
  if (given !== undefined && pinned !== undefined && given !== pinned) {
    throw new AimError("usage", `--revision is "${given}", but the model's @REV is "${pinned}"`, {
      hint: "use only one of them",
    });
  }
  const [include, exclude] = [listed(flags.include), listed(flags.exclude)];
  const globs = include.length + exclude.length > 0 ? { include, exclude } : operatorGlobs(env);
  return { revision: given ?? pinned, ...globs };
}

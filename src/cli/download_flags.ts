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
  [`--progress ${PROGRESS_MODES.join("|")}`]: "how progress is shown, on standard error",
};

export const FILES_FLAGS: Flags = {
  "--revision REV": "branch, tag or commit of a hub model",
  "--include GLOB...": "only files that match; * also matches /",
  "--exclude GLOB...": "no files that match",
};

/** Flags of every command that downloads on request. */
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
 * The revision: `--revision`, or the reference's own `@REV`. The files: `--include` and `--exclude`, else the
 * operator's variables.
 *
 * @throws {AimError} `usage` for a revision of another source than a hub, and if two revisions differ.
 */
export function wantedFiles({ flags, env }: Pick<CommandContext, "flags" | "env">, ref: ModelRef) {
  const [given, pinned] = [text(flags.revision), revisionIn(ref) ?? undefined];
  if (given !== undefined && ref.kind !== "hub") {
    throw new AimError("usage", `--revision is "${given}", and the model is ${uriOf(ref)}`, {
      hint: "leave it out: only models of a hub have revisions",
    });
  }
  if (given !== undefined && pinned !== undefined && given !== pinned) {
    throw new AimError("usage", `--revision is "${given}", and the model names revision "${pinned}"`, {
      hint: "give one of them",
    });
  }
  const [include, exclude] = [listed(flags.include), listed(flags.exclude)];
  const globs = include.length + exclude.length > 0 ? { include, exclude } : operatorGlobs(env);
  return { revision: given ?? pinned, ...globs };
}

import { AimError } from "../errors/aim_error.ts";
import type { ConfigMap } from "../values/value.ts";
import { renderArgs } from "./engine_args.ts";

/** The module of vLLM that serves the OpenAI API. */
export const ENGINE_MODULE = "vllm.entrypoints.openai.api_server";

/** What a command line is made of. */
export interface CommandParts {
  /** `python`, `python3`, or a path. */
  readonly interpreter: string;
  /** What `--model` gets: a path, or `org/model`. */
  readonly model: string;
  /** Merged, as `mergeEngineArgs` gives them. */
  readonly args: ConfigMap;
}

/**
 * The engine's command line.
 *
 * @throws {AimError} `usage` where a word holds NUL, which no command line can.
 */
export function buildCommand(parts: CommandParts): string[] {
  const argv = [parts.interpreter, "-m", ENGINE_MODULE, "--model", parts.model, ...renderArgs(parts.args)];
  const broken = argv.find((word) => word.includes("\0"));
  if (broken !== undefined) {
    throw new AimError("usage", `${JSON.stringify(broken)} holds NUL and cannot go on a command line`, {
      hint: "take it out of the profile or AIM_ENGINE_ARGS",
    });
  }
  return argv;
}

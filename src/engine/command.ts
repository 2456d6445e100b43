import { AimError } from "../errors/aim_error.ts";
import type { ConfigMap } from "../values/value.ts";
import { renderArgs, renderPairs } from "./engine_args.ts";
import type { Engine } from "./engines.ts";

/**
 * The engine's command line.
 *
 * @param program How the first word of the launch is called: `python`, `python3`, or a path.
 * @param model What the engine's model argument gets: a path, or `org/model`.
 * @param args Merged and fitted.
 * @throws {AimError} `usage` if a word contains NUL, which no command line can.
 */
export function buildCommand(
  engine: Pick<Engine, "launch" | "modelArgument" | "form">,
  program: string,
  model: string,
  args: ConfigMap,
): string[] {
  const argv = [
    program,
    ...engine.launch.slice(1),
    ...(engine.modelArgument === null ? [] : [engine.modelArgument, model]),
    ...(engine.form === "flags" ? renderArgs(args) : renderPairs(args)),
  ];
  const broken = argv.find((word) => word.includes("\0"));
  if (broken !== undefined) {
    throw new AimError("usage", `${JSON.stringify(broken)} contains NUL and cannot go on a command line`, {
      hint: "remove it from the profile or AIM_ENGINE_ARGS",
    });
  }
  return argv;
}

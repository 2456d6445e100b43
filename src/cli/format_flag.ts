import type { FlagSpec } from "./command.ts";
import { flag } from "./flag.ts";

/** `--format` of a command that prints a page or JSON. */
export function formatFlag(...[first, ...others]: readonly [string, ...string[]]): FlagSpec {
  return flag("--format FORMAT", "how the result is printed", {
    choices: [first, ...others],
    default: first,
  });
}

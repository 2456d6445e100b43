import type { FlagSpec } from "./command.ts";

/** `--format` of a command that prints a page or JSON. */
export function formatFlag(...[first, ...others]: readonly [string, ...string[]]): FlagSpec {
  return {
    name: "format",
    type: "string",
    value: "FORMAT",
    choices: [first, ...others],
    default: first,
    help: "how the result is printed",
  };
}

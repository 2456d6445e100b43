import type { FlagSpec } from "./command.ts";

/**
 * A flag of a command.
 *
 * @param usage As in help: `--force` is a boolean, `--tag TAG` takes a value, `--filter CONDITION...` may be repeated,
 * `-y|--yes` has a letter too.
 */
export function flag(
  usage: string,
  help: string,
  options: Pick<FlagSpec, "choices" | "default"> = {},
): FlagSpec {
  const [, short, name = "", value] = /^(?:-(\w)\|)?--([\w-]+)(?: (\S+))?$/.exec(usage) ?? [];
  const type = value === undefined ? "boolean" : value.endsWith("...") ? "list" : "string";
  return {
    name,
    type,
    help,
    ...options,
    ...(short !== undefined && { short }),
    ...(value !== undefined && { value: value.replace("...", "") }),
  };
}

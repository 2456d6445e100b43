import { type ListedFolder, listModels, type ModelFolder } from "../cache/list_models.ts";
import { cachePaths } from "../cache/cache_paths.ts";
import { nearest } from "../config/nearest.ts";
import { AimError } from "../errors/aim_error.ts";
import { localNameOf } from "../sources/local_name.ts";
import { parseModelRef } from "../sources/model_ref.ts";
import type { CommandContext, FlagSpec } from "./command.ts";

/** Narrows a cache command to one layout. */
export const LAYOUT_FLAG = {
  name: "layout",
  type: "string",
  value: "LAYOUT",
  choices: ["local", "hub"],
  help: "only local directories, or only the Hugging Face cache",
} as const satisfies FlagSpec;

/**
 * The folders of the models that a cache command is about: those named, else all, in the layout asked for.
 *
 * @throws {AimError} `not-found`, naming the first that is not in the cache and the nearest that is.
 */
export async function pickModels(context: CommandContext): Promise<ListedFolder[]> {
  const paths = cachePaths(context.config);
  const all = (await listModels(paths)).filter((one) =>
    context.flags.layout === undefined || one.layout === context.flags.layout
  );
  const wanted = context.args.map((arg) => localNameOf(parseModelRef(arg)));
  for (const name of wanted) {
    if (all.some((one) => one.name === name)) continue;
    const near = nearest(name, all.map((one) => one.name));
    throw new AimError("not-found", `${name} is not in the cache (${paths.root}, ${paths.hub})`, {
      hint: near === null ? "see aim cache list" : `did you mean ${near}?`,
    });
  }
  return all.filter((one) => wanted.length === 0 || wanted.includes(one.name));
}

/** `org/model in the Hugging Face cache`. */
export function folderInWords({ name, layout }: Pick<ModelFolder, "name" | "layout">): string {
  return `${name} ${layout === "local" ? "(local directory)" : "(Hugging Face cache)"}`;
}

import { dirname } from "@std/path";
import { AimError } from "../errors/aim_error.ts";

/**
 * The error to end with if the directory of a file that is being written is gone because somebody removed the
 * model meanwhile; `null` if that is not why it failed.
 */
export function directoryGone(error: unknown, path: string): AimError | null {
  if (!(error instanceof Deno.errors.NotFound)) return null;
  const directory = dirname(path);
  try {
    Deno.lstatSync(directory);
    return null;
  } catch (missing) {
    if (!(missing instanceof Deno.errors.NotFound)) return null;
  }
  return new AimError("no-space", `${directory} was removed while files were being written to it`, {
    hint: "make sure that nothing else removes the model, then run again",
    cause: error,
  });
}

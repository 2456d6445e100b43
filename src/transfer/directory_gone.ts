import { dirname } from "@std/path";
import { AimError } from "../errors/aim_error.ts";

/** The error if a file cannot be written because its directory was removed; `null` for any other reason. */
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

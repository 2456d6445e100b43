import type { AimError } from "../../errors/aim_error.ts";
import { errorFrom } from "../../errors/from_unknown.ts";
import { redact } from "../../log/redact.ts";

/**
 * `failed` would stop `serve`; `warning` would not, but deserves a look; `ok` is as it should be.
 */
export type CheckState = "ok" | "warning" | "failed";

/** One line of the doctor's page. */
export interface Check {
  /** What was looked at, in a word or two. */
  readonly name: string;
  readonly state: CheckState;
  /** What was found. */
  readonly found: string;
  /** What to do about it. */
  readonly todo?: string;
}

/** A check that an error is the outcome of. */
export function checkOf(name: string, thrown: unknown, state: CheckState): Check {
  const error = errorFrom(thrown, name);
  return {
    name,
    state,
    found: redact(error.message),
    ...(error.hint === undefined ? {} : { todo: redact(error.hint) }),
  };
}

/** The value, or the error as a check. What is not aim's own error is a fault of the program. */
export async function attempt<T>(
  work: () => Promise<T> | T,
): Promise<{ readonly value: T } | { readonly error: AimError }> {
  try {
    return { value: await work() };
  } catch (thrown) {
    return { error: errorFrom(thrown, "looking at it") };
  }
}

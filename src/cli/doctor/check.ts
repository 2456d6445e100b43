import type { AimError } from "../../errors/aim_error.ts";
import { errorFrom } from "../../errors/from_unknown.ts";
import { redact } from "../../log/redact.ts";

/** `failed` would stop `serve`; `warning` would not. */
export type CheckState = "ok" | "warning" | "failed";

export interface Check {
  /** What was checked, in a word or two. */
  readonly name: string;
  readonly state: CheckState;
  readonly found: string;
  /** What to do about it, unless it is ok. */
  readonly todo?: string;
}

/** A check with secrets removed from its texts. */
export function check(name: string, state: CheckState, found: string, todo?: string): Check {
  const advice = todo !== undefined && state !== "ok" && { todo: redact(todo) };
  return { name, state, found: redact(found), ...advice };
}

export function checkOf(name: string, thrown: unknown, state: CheckState): Check {
  const { message, hint } = errorFrom(thrown, name);
  return check(name, state, message, hint);
}

export type Outcome<T> =
  | { readonly value: T; readonly error: null }
  | { readonly value: null; readonly error: AimError };

/** The value, or the error. */
export async function attempt<T>(work: () => Promise<T> | T): Promise<Outcome<T>> {
  try {
    return { value: await work(), error: null };
  } catch (thrown) {
    return { value: null, error: errorFrom(thrown, "checking it") };
  }
}

import type { Read } from "../../os/read.ts";
import type { Verdict } from "./types.ts";

/** A record that is there and cannot be used is damage: what the model was downloaded as is not known. */
export function recordFault(
  path: string,
  { reason, cause }: Extract<Read<unknown>, { kind: "failed" }>,
): Verdict {
  const said = `${path} cannot be used: ${reason}`;
  return {
    state: "damaged",
    reason: said,
    // A system's refusal is about rights; anything else is about the content.
    remedy: cause === undefined ? "finish" : "permissions",
    faults: [{ path, kind: cause === undefined ? "content" : "unreadable", reason: said }],
  };
}

import type { Read } from "../../os/read.ts";
import type { Verdict } from "./types.ts";

/** The verdict for a model with an invalid record: damaged, since its files cannot be checked. */
export function recordFault(
  path: string,
  { reason, cause }: Extract<Read<unknown>, { kind: "failed" }>,
): Verdict {
  const said = `${path} cannot be used: ${reason}`;
  return {
    state: "damaged",
    reason: said,
    // With a cause, the system refused to read it; otherwise its content is invalid.
    remedy: cause === undefined ? "finish" : "permissions",
    faults: [{ path, kind: cause === undefined ? "content" : "unreadable", reason: said }],
  };
}

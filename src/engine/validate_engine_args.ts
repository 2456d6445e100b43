import { AimError } from "../errors/aim_error.ts";
import { checkSchema } from "../profiles/check_schema.ts";
import type { ConfigMap } from "../values/value.ts";

/** Options of {@linkcode validateEngineArgs}. */
export interface ValidateEngineArgsOptions {
  /** The user's part of the arguments: a fault in it is the user's setting's, else the profile's. */
  userArgs?: ConfigMap | null;
  /** Whose arguments they are: only vLLM's have known types. @default {"vllm"} */
  engine?: string;
}

/**
 * Holds merged arguments to the types that the engine documents; unknown arguments pass.
 *
 * @throws {AimError} `usage`, with the path and the value of every argument that is wrong.
 */
export function validateEngineArgs(args: ConfigMap, options: ValidateEngineArgsOptions = {}): void {
  if ((options.engine ?? "vllm") !== "vllm") return;
  const faults = checkSchema(args);
  if (faults.length === 0) return;
  const byUser = faults.some((fault) => options.userArgs?.has(String(fault.path[0] ?? "")) === true);
  throw new AimError("usage", `engine argument ${faults.map((fault) => fault.reason).join("; ")}`, {
    hint: byUser ? "correct AIM_ENGINE_ARGS" : "correct the profile, or override it in AIM_ENGINE_ARGS",
  });
}

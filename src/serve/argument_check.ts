import { givenVersion } from "../engine/engine_version.ts";
import { fitToVllm } from "../engine/fit_to_vllm.ts";
import { AimError } from "../errors/aim_error.ts";
import { engineArgsOf, envVarsOf } from "../profiles/profile_content.ts";
import type { ProfileCheck } from "../profiles/types.ts";

/**
 * Checks profiles' engine arguments. Only vLLM's are checked; those of other engines pass.
 *
 * @param engineVersion `null`: only what every version refuses is a fault. Otherwise what this version
 *   refuses is too, and what it lacks is a warning.
 * @throws {AimError} `usage` if it is not a version.
 */
export function argumentCheck(engineVersion: string | null): ProfileCheck {
  const version = engineVersion === null ? null : givenVersion(engineVersion);
  return (profile) => {
    const { id, metadata, modelId } = profile;
    if (metadata.engine !== "vllm") return { faults: [], warnings: [] };
    const args = engineArgsOf(profile);
    const source = { kind: "profile", name: `profile ${id}`, args } as const;
    const system = { port: 8000, servedModelNames: ["model"], models: modelId === null ? [] : [modelId] };
    try {
      const { faults, warnings } = fitToVllm([source], system, envVarsOf(profile), version);
      return {
        faults: faults.map(({ given, reason }) => ({ path: ["engine_args", given?.name ?? ""], reason })),
        warnings: version === null ? [] : warnings.map((reason) => ({ path: ["engine_args"], reason })),
      };
    } catch (error) {
      if (!(error instanceof AimError)) throw error;
      return { faults: [{ path: ["engine_args", "model"], reason: error.message }], warnings: [] };
    }
  };
}

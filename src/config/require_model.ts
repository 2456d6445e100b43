import { AimError } from "../errors/aim_error.ts";
import type { Config } from "./config.ts";

/** The model that a command selects a profile for, and the setting that names it. */
export interface WantedModel {
  readonly setting: "aimId" | "modelId";
  readonly model: string;
}

/**
 * For commands that select a profile: exactly one of `AIM_ID` and `AIM_MODEL_ID` names the model.
 *
 * @throws {AimError} `usage` if both or neither is set.
 */
export function requireModel(config: Pick<Config, "aimId" | "modelId" | "origins">): WantedModel {
  const { aimId, modelId, origins } = config;
  if (aimId !== null && modelId !== null) {
    const first = origins.aimId === "flag" ? "--aim-id" : "AIM_ID";
    const second = origins.modelId === "flag" ? "--model" : "AIM_MODEL_ID";
    throw new AimError(
      "usage",
      `${first} is ${JSON.stringify(aimId)} and ${second} is ${JSON.stringify(modelId)}`,
      {
        hint: "set one of them: an image made for a model has AIM_ID already, others take AIM_MODEL_ID",
      },
    );
  }
  if (aimId !== null) return { setting: "aimId", model: aimId };
  if (modelId !== null) return { setting: "modelId", model: modelId };
  throw new AimError("usage", "no model is named", {
    hint: "name one, as in aim serve org/model, or with --model or AIM_MODEL_ID; aim help lists the commands",
  });
}

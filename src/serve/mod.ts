export * from "./named_model.ts";
export * from "./select_profile_for.ts";
export * from "./serving_plan.ts";

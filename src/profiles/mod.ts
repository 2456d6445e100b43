export * from "./describe_no_match.ts";
export * from "./embedded_root.ts";
export * from "./judge.ts";
export * from "./load_profiles.ts";
export * from "./number_literal.ts";
export * from "./pick_without_gpu.ts";
export * from "./select_profile.ts";
export * from "./types.ts";

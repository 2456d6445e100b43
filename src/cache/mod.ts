export * from "./cache_paths.ts";
export { directoryBytes } from "./files.ts";
export { hubPlacement } from "./hub_placement.ts";
export { directPlacement, localPlacement } from "./local_placement.ts";
export * from "./clean_cache.ts";
export * from "./list_models.ts";
export * from "./resolve_model.ts";
export * from "./types.ts";
export * from "./verify_model.ts";

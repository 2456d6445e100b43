export * from "./cache_paths.ts";
export { directoryBytes } from "./files.ts";
export { hubPlacement } from "./hub_placement.ts";
export { directPlacement, localPlacement } from "./local_placement.ts";
export * from "./resolve_model.ts";
export * from "./types.ts";

export * from "./aim_error.ts";
export * from "./exit_codes.ts";
export * from "./from_unknown.ts";

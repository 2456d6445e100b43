export * from "./settings.ts";
export * from "./config.ts";
export * from "./nearest.ts";
export * from "./require_model.ts";
export * from "./resolve_config.ts";
export { badChoice, parseBoolean, parseDuration, parseSize } from "./parse_setting.ts";

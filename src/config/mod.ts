export * from "./settings.ts";
export * from "./config.ts";

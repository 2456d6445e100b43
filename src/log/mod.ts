export * from "./capture_console.ts";
export * from "./logger.ts";
export * from "./redact.ts";

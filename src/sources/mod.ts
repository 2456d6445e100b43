export * from "./local_name.ts";
export * from "./manifest.ts";
export * from "./model_ref.ts";
export * from "./open_source.ts";
export * from "./protocols.ts";
export * from "./safe_path.ts";
export * from "./source.ts";
export * from "./source_options.ts";

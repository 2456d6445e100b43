export * from "./artifact_reporter.ts";
export * from "./bring.ts";
export * from "./download_model.ts";
export * from "./expected_size.ts";

export * from "./bring.ts";
export * from "./download_model.ts";

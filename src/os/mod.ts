export * from "./kernel_files.ts";
export * from "./libc.ts";

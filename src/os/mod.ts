export * from "./kernel_files.ts";
export * from "./libc.ts";
export * from "./new_files.ts";

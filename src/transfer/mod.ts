export * from "./clock.ts";
export * from "./digests.ts";
export * from "./hash_pool.ts";
export * from "./lease.ts";
export * from "./transfer.ts";
export * from "./types.ts";

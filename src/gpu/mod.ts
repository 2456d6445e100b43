export * from "./choose_devices.ts";
export * from "./detect_gpus.ts";
export * from "./device_models.ts";
export * from "./take_inventory.ts";
export * from "./types.ts";

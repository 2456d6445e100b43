import type { Config } from "../config/config.ts";

/** How files are transferred, by the settings. `verify` is on. */
export function transferSettings(
  { jobs, partSize, maxBandwidth, stallTimeout }: Pick<
    Config,
    "jobs" | "partSize" | "maxBandwidth" | "stallTimeout"
  >,
) {
  return { jobs, partSize, maxBandwidth, stallTimeout, verify: true };
}

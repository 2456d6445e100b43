import type { Config } from "../config/config.ts";

/** The options of a transfer, from the settings. `verify` is on. */
export function transferSettings(
  { jobs, partSize, maxBandwidth, stallTimeout }: Pick<
    Config,
    "jobs" | "partSize" | "maxBandwidth" | "stallTimeout"
  >,
) {
  return { jobs, partSize, maxBandwidth, stallTimeout, verify: true };
}

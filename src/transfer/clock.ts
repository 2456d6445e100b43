import { delay } from "@std/async/delay";
import type { Clock } from "./types.ts";

/** The system's monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => delay(ms, { signal }),
};

import { sleepFor } from "../sources/transport/sleep_for.ts";
import type { Clock } from "./types.ts";

/** The system's monotonic clock. */
export const systemClock: Clock = { now: () => performance.now(), sleep: sleepFor };

import { findAdapters } from "../../adapters/find_adapters.ts";
import { WATCH_COMMAND } from "../../adapters/start_watcher.ts";
import { watchAdapters } from "../../adapters/watch_adapters.ts";
import { command } from "../command.ts";

/** Milliseconds; the same bound as in AMD's runtime. */
const LEAST_INTERVAL = 5000;

/** `aim __watch-adapters --url URL`: runs next to an engine with dynamic adapters. */
export const watchAdaptersCommand = command({
  usage: WATCH_COMMAND,
  summary: "keep the engine's LoRA adapters in sync with those on disk; started by serve",
  flags: { "--url URL": "the engine's address" },
  permissions: { net: true },
  async run({ config, env, flags }) {
    const engine = Deno.ppid;
    await watchAdapters({
      engine: String(flags.url),
      apiKey: env.VLLM_API_KEY ?? null,
      interval: Math.max(config.adapterRefreshInterval, LEAST_INTERVAL),
      find: (warn) => findAdapters(config, warn),
      alive: () => Deno.ppid === engine,
    });
  },
});

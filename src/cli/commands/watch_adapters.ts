import { findAdapters } from "../../adapters/find_adapters.ts";
import { WATCH_COMMAND } from "../../adapters/start_watcher.ts";
import { watchAdapters } from "../../adapters/watch_adapters.ts";
import type { Command } from "../command.ts";
import { flag } from "../flag.ts";

/** Milliseconds; the same bound as in AMD's runtime. */
const LEAST_INTERVAL = 5000;

/** `aim __watch-adapters --url URL`: the process next to an engine with dynamic adapters. */
export const watchAdaptersCommand: Command = {
  name: WATCH_COMMAND,
  summary: "keep the engine's LoRA adapters like those on disk; started by serve",
  positionals: [],
  settings: [],
  flags: [flag("--url URL", "the engine's address")],
  permissions: { write: false, net: true, run: false, ffi: false },
  async run({ config, env, flags }) {
    const engine = Deno.ppid;
    await watchAdapters({
      engine: String(flags.url),
      apiKey: env.VLLM_API_KEY ?? null,
      interval: Math.max(config.adapterRefreshInterval, LEAST_INTERVAL),
      find: () => findAdapters(config),
      alive: () => Deno.ppid === engine,
    });
  },
};

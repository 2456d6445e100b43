import { startWatcher } from "../adapters/start_watcher.ts";
import type { Config } from "../config/config.ts";
import { type ConfigMap, type ConfigValue, isList } from "../values/value.ts";

/**
 * Starts the watcher of an engine with dynamic adapters.
 *
 * @param args The engine's arguments.
 * @param env The engine's environment.
 */
export function watchBeside(
  { port }: Config,
  args: ConfigMap,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const host = text(args.get("host")) ?? "127.0.0.1";
  const reachable = host === "0.0.0.0" || host === "::"
    ? "127.0.0.1"
    : host.includes(":")
    ? `[${host}]`
    : host;
  const scheme = args.has("ssl-certfile") ? "https" : "http";
  const key = text(args.get("api-key")) ?? env.VLLM_API_KEY;
  startWatcher(["--url", `${scheme}://${reachable}:${port}`], key === undefined ? {} : { VLLM_API_KEY: key });
}

/** A text, or the first of a list of them. */
function text(value: ConfigValue | undefined): string | null {
  const first = value !== undefined && isList(value) ? value[0] : value;
  return typeof first === "string" ? first : null;
}

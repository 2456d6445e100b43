import { AimError } from "../errors/aim_error.ts";
import { kernelFiles } from "../os/kernel_files.ts";
import { type ConfigMap, type ConfigValue, isList } from "../values/value.ts";

export const WATCH_COMMAND = "__watch-adapters";

/**
 * Starts this program as a child that watches the adapters of an engine. It survives the execve(2) with which
 * its parent becomes the engine, and ends with the engine. Its output goes to standard error.
 *
 * Requires `--allow-run`, `--allow-ffi`.
 *
 * @throws {AimError} `engine` if it cannot be started.
 */
export function startWatcher(
  port: number,
  args: ConfigMap,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const scheme = args.has("ssl-certfile") ? "https" : "http";
  const key = firstText(args.get("api-key")) ?? env.VLLM_API_KEY;
  try {
    new Deno.Command(Deno.execPath(), {
      args: [...runtimeWords(), WATCH_COMMAND, "--url", `${scheme}://${hostOf(args)}:${port}`],
      // Other users can see a process's words, but not its environment.
      env: key === undefined ? {} : { VLLM_API_KEY: key },
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn().unref();
  } catch (cause) {
    throw new AimError("engine", "the process that watches LoRA adapters cannot be started", {
      hint: "set AIM_ADAPTER_MODE=static to serve the adapters that are on disk now",
      cause,
    });
  }
}

/** The engine's address from this host. */
function hostOf(args: ConfigMap): string {
  const host = firstText(args.get("host")) ?? "127.0.0.1";
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** A text, or the first of a list of them. */
function firstText(value: ConfigValue | undefined): string | null {
  const first = isList(value) ? value[0] : value;
  return typeof first === "string" ? first : null;
}

/** Words on the command line between this program and aim's arguments, in every form of the executable. */
function runtimeWords(): string[] {
  const read = kernelFiles().text("/proc/self/cmdline");
  const words = read.kind === "ok" ? read.value.split("\0").slice(0, -1) : [];
  return words.slice(1, words.length - Deno.args.length);
}

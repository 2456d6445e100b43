import { AimError } from "../errors/aim_error.ts";
import { kernelFiles } from "../os/kernel_files.ts";

/** The command of the watcher process. */
export const WATCH_COMMAND = "__watch-adapters";

/**
 * Starts this program as a child that watches the adapters. It survives the execve(2) with which its parent becomes
 * the engine, and ends with the engine. Its output goes to standard error.
 *
 * Requires `--allow-run`, `--allow-ffi`.
 *
 * @param words Flags of the watch command.
 * @param extra Additional environment, for the key of the engine's API: words are visible to other users.
 * @throws {AimError} `engine` if it cannot be started.
 */
export function startWatcher(words: readonly string[], extra: Readonly<Record<string, string>>): void {
  const [program = Deno.execPath(), ...own] = ownCommandLine();
  try {
    new Deno.Command(program, {
      args: [...own, WATCH_COMMAND, ...words],
      env: { ...extra },
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

/** The command line of this process without its own words, in every form of the executable. */
function ownCommandLine(): string[] {
  const read = kernelFiles().text("/proc/self/cmdline");
  if (read.kind !== "ok") return [Deno.execPath()];
  const words = read.value.split("\0").slice(0, -1);
  return [Deno.execPath(), ...words.slice(1, words.length - Deno.args.length)];
}

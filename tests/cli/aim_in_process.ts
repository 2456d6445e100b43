import { configureLog } from "../../src/log/logger.ts";
import { runProgram } from "../../src/cli/run.ts";
import type { Ran } from "./aim.ts";

/**
 * Runs aim in this process, which is much faster than a new process. aim keeps its permissions. Only for one
 * run at a time, and not for `serve`, which replaces the process with the engine.
 */
export async function aimInProcess(
  args: readonly string[],
  options: { env: Readonly<Record<string, string>>; cwd: string },
): Promise<Ran> {
  const before = { env: Deno.env.toObject(), cwd: Deno.cwd(), console: { ...globalThis.console } };
  const written = { stdout: "", stderr: "" };
  setEnvironment(options.env);
  Deno.chdir(options.cwd);
  try {
    const code = await runProgram(args, options.env, {
      stdout: (text) => written.stdout += text,
      stderr: (text) => written.stderr += text,
      revoke() {},
      watchSignals: () => new AbortController().signal,
    });
    return { code, ...written };
  } finally {
    setEnvironment(before.env);
    Deno.chdir(before.cwd);
    Object.assign(globalThis.console, before.console);
    configureLog({ level: "INFO", format: "text" });
  }
}

function setEnvironment(env: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(Deno.env.toObject())) if (!(name in env)) Deno.env.delete(name);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
}

import type { Config } from "../config/config.ts";
import { resolveConfig } from "../config/resolve_config.ts";
import { AimError } from "../errors/aim_error.ts";
import { captureConsole } from "../log/capture_console.ts";
import { configureLog } from "../log/logger.ts";
import { printable } from "../log/printable.ts";
import { loadNewFiles } from "../os/new_files.ts";
import { readBuildInfo } from "./build_info.ts";
import { callersEnvironment } from "./callers_environment.ts";
import { type Command, type CommandContext, createsFiles } from "./command.ts";
import { findCommand } from "./find_command.ts";
import { keepEnvironmentSecrets } from "./keep_environment_secrets.ts";
import { ClosedOutput, terminalOf, writeAll } from "./output.ts";
import { parseFlags } from "./parse_flags.ts";
import { allCommandNames, DEFAULT_COMMAND, loadCommand } from "./registry.ts";
import { reportError } from "./report_error.ts";
import { revokePermissions } from "./revoke_permissions.ts";
import { withColours } from "./style.ts";
import { watchSignals } from "./watch_signals.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The process: finds the command in argv, resolves the configuration, gives up what the command does not need, runs it and
 * reports its failure. Returns the exit code. Every failure is one line on standard error.
 *
 * @param root URL of the main module, or of its directory with a final `/`.
 */
export async function run(argv: readonly string[], root: string): Promise<number> {
  const env: Environment = callersEnvironment(Deno.env.toObject());
  // Until the configuration is known, an error is shown as far as argv and environment can already tell.
  let format = guessFormat(argv, env);
  const fail = (thrown: unknown): number => {
    if (thrown instanceof ClosedOutput) return 0;
    const { line, code } = reportError(thrown, format);
    try {
      writeAll(Deno.stderr, `${line}\n`);
    } catch { /* nowhere left to say so */ }
    return code;
  };
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    Deno.exit(fail(event.reason));
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    Deno.exit(fail(event.error));
  });
  try {
    keepEnvironmentSecrets(env);
    return await dispatch(argv, env, root, (config) => format = config.logFormat);
  } catch (error) {
    return fail(error);
  }
}

async function dispatch(
  argv: readonly string[],
  env: Environment,
  root: string,
  onConfig: (config: Config) => void,
): Promise<number> {
  const call = findCommand(argv, allCommandNames(), DEFAULT_COMMAND);
  // The one place where a report is written.
  const print = (text: string) => writeAll(Deno.stdout, withColours(printable(text, "\n\t")));
  if (call.kind === "version") {
    print(versionLine(root));
    return 0;
  }
  const name = call.kind === "help" ? "help" : call.name;
  const command = await loadCommand(name);
  if (command === null) throw new AimError("usage", `unknown command "${name}"`, { hint: "see aim help" });
  const words = call.kind === "help" ? call.topic?.split(" ") ?? [] : call.rest;
  const parsed = parseFlags(command, words);
  // Help must work where the configuration is what is broken.
  const config = resolveConfig({
    flags: parsed.settings,
    env: name === "help" || name === "completions" ? {} : env,
    cwd: currentDirectory(),
  });
  onConfig(config);
  configureLog({ level: config.logLevel, format: config.logFormat });
  captureConsole(config.logLevelRoot);
  const signal = once(watchSignals);
  const context: CommandContext<undefined> = {
    config,
    args: parsed.positionals,
    flags: parsed.flags,
    env,
    print,
    get signal() {
      return signal();
    },
    stdout: terminalOf(Deno.stdout, env),
    stderr: terminalOf(Deno.stderr, env),
    prepared: undefined,
  };
  return await runCommand(command, context);
}

async function runCommand(command: Command, context: CommandContext<undefined>): Promise<number> {
  const { permissions, netOnlyWith: only } = command;
  const needs = only === undefined || context.flags[only.flag] === only.value
    ? permissions
    : { ...permissions, net: false };
  const looks = command.prepare !== undefined;
  const creates = createsFiles(needs);
  revokePermissions({ ...needs, run: needs.run || looks, ffi: needs.ffi || looks || creates });
  if (creates) loadNewFiles();
  const prepared = await command.prepare?.(context);
  revokePermissions(needs);
  // Not copied: until someone asks for the signal, which takes a fiftieth of a short command's time, the system ends the process.
  return await command.run(Object.create(context, { prepared: { value: prepared } }));
}

/** The first call's result, whenever it is called. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function versionLine(root: string): string {
  const { version, commit, form } = readBuildInfo(root);
  const from = commit === null ? "" : `commit ${commit.slice(0, 12)}, `;
  return `aim ${version} (${from}Deno ${Deno.version.deno}, ${form})\n`;
}

function guessFormat(argv: readonly string[], env: Environment): "text" | "json" {
  const at = argv.indexOf("--log-format");
  const flag = at === -1 ? argv.find((a) => a.startsWith("--log-format="))?.slice(13) : argv[at + 1];
  return (flag ?? env.AIM_LOG_FORMAT)?.trim().toLowerCase() === "json" ? "json" : "text";
}

function currentDirectory(): string {
  try {
    return Deno.cwd();
  } catch {
    // The directory was removed: absolute paths still mean something.
    return "/";
  }
}

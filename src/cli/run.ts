import type { Config } from "../config/config.ts";
import { resolveConfig } from "../config/resolve_config.ts";
import { AimError } from "../errors/aim_error.ts";
import { captureConsole } from "../log/capture_console.ts";
import { unknownVariables } from "../config/unknown_variables.ts";
import { configureLog, log } from "../log/logger.ts";
import { printable } from "../log/printable.ts";
import { startSteps } from "../log/start_steps.ts";
import { fileCalls, treeCalls } from "../os/libc.ts";
import { type Permissions, revokePermissions } from "../os/revoke_permissions.ts";
import { readBuildInfo } from "./build_info.ts";
import { callersEnvironment } from "./callers_environment.ts";
import { type Command, type CommandContext, loadsFirst } from "./command.ts";
import { findCommand } from "./find_command.ts";
import { keepEnvironmentSecrets } from "./keep_environment_secrets.ts";
import { ClosedOutput, terminalOf, writeAll } from "./output.ts";
import { logSettings } from "./log_settings.ts";
import { parseFlags } from "./parse_flags.ts";
import { ALIASES, allCommandNames, COMMAND_TABLE, DEFAULT_COMMAND, loadCommand } from "./registry.ts";
import { reportError } from "./report_error.ts";
import { withColours } from "./style.ts";
import { watchSignals } from "./watch_signals.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the program writes to and gives up; a test runs it without a process of its own. */
export interface Edge {
  stdout(text: string): void;
  stderr(text: string): void;
  revoke(needs: Permissions): void;
  /** Aborts at SIGINT and SIGTERM, which end the process until this is called. */
  watchSignals(): AbortSignal;
}

const PROCESS: Edge = {
  stdout: (text) => writeAll(Deno.stdout, text),
  // A closed standard error must not end a download.
  stderr(text) {
    try {
      writeAll(Deno.stderr, text);
    } catch { /* nowhere left to say so */ }
  },
  revoke: revokePermissions,
  watchSignals,
};

/**
 * The process: handles what nothing else caught, and runs the program.
 *
 * @param root URL of the main module, or of its directory with a final `/`.
 */
export async function run(argv: readonly string[], root: string): Promise<number> {
  const env = callersEnvironment(Deno.env.toObject());
  const fail = failure(guessFormat(argv, env), PROCESS);
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    Deno.exit(fail(event.reason));
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    Deno.exit(fail(event.error));
  });
  return await runProgram(argv, env, root, PROCESS);
}

/**
 * The program: finds the command in argv, resolves the configuration, gives up what the command does not need, runs it and
 * reports its failure. Returns the exit code. Every failure is one line on standard error.
 */
export async function runProgram(
  argv: readonly string[],
  env: Environment,
  root: string,
  edge: Edge,
): Promise<number> {
  // Until the configuration is known, argv and environment tell how an error is shown.
  let format = guessFormat(argv, env);
  let started: Command | null = null;
  let printed = false;
  const watched: Edge = {
    ...edge,
    stdout(text) {
      printed = true;
      edge.stdout(text);
    },
  };
  try {
    keepEnvironmentSecrets(env);
    return await dispatch(argv, env, root, watched, {
      command: (command) => started = command,
      config: (config) => format = printsJson(argv) ? "json" : config.logFormat,
    });
  } catch (error) {
    const nothing = whenFailed(started);
    if (nothing !== null && !printed && printsJson(argv)) edge.stdout(nothing);
    return failure(format, edge)(error);
  }
}

/** What stands on standard output where a command fails before it printed its JSON. */
function whenFailed(command: Command | null): string | null {
  return command?.emptyJson === undefined ? null : `${command.emptyJson}\n`;
}

interface Milestones {
  command(command: Command): void;
  config(config: Config): void;
}

function failure(format: "text" | "json", edge: Edge): (thrown: unknown) => number {
  return (thrown) => {
    if (thrown instanceof ClosedOutput) return 0;
    const { line, code } = reportError(thrown, format);
    edge.stderr(`${line}\n`);
    return code;
  };
}

async function dispatch(
  argv: readonly string[],
  env: Environment,
  root: string,
  edge: Edge,
  reached: Milestones,
): Promise<number> {
  const call = findCommand(argv, allCommandNames(), DEFAULT_COMMAND, ALIASES);
  // The one place where a report is written.
  const print = (text: string) => edge.stdout(withColours(printable(text, "\n\t")));
  if (call.kind === "version") {
    print(versionLine(root));
    return 0;
  }
  const name = call.kind === "help" ? "help" : call.name;
  const command = await loadCommand(name);
  if (command === null) throw new AimError("usage", `unknown command "${name}"`, { hint: "see aim help" });
  if (call.kind === "command") reached.command(command);
  const words = call.kind === "help" ? call.topic?.split(" ") ?? [] : call.rest;
  const parsed = parseFlags(command, words);
  // Help must work where the configuration is what is broken.
  const config = resolveConfig({
    flags: parsed.settings,
    env: name === "help" || name === "completions" ? {} : env,
    cwd: currentDirectory(),
  });
  reached.config(config);
  startSteps.push(["settings", performance.now()]);
  configureLog({
    level: config.logLevel,
    format: config.logFormat,
    write: (line) => edge.stderr(`${line}\n`),
  });
  captureConsole(config.logLevelRoot);
  logSettings(config);
  for (const line of unknownVariables(env)) log.warn(line);
  const signal = once(edge.watchSignals);
  const context: CommandContext<undefined> = {
    config,
    args: parsed.positionals,
    flags: parsed.flags,
    env,
    print,
    writeError: edge.stderr,
    get signal() {
      return signal();
    },
    stdout: terminalOf(Deno.stdout, env),
    stderr: terminalOf(Deno.stderr, env),
    quiet: parsed.quiet,
    engineWords: parsed.engineWords,
    commands: COMMAND_TABLE,
    prepared: undefined,
  };
  return await runCommand(command, context, edge);
}

async function runCommand(command: Command, context: CommandContext<undefined>, edge: Edge): Promise<number> {
  const { permissions, netOnlyWith } = command;
  const isLocal = netOnlyWith !== undefined && context.flags[netOnlyWith] !== true;
  const needs = isLocal ? { ...permissions, net: false } : permissions;
  const looks = command.prepare !== undefined;
  const loads = loadsFirst(needs);
  edge.revoke({ ...needs, run: needs.run || looks, ffi: needs.ffi || looks || loads });
  if (loads) {
    treeCalls();
    fileCalls();
  }
  const prepared = await command.prepare?.(context);
  edge.revoke(needs);
  // Not copied: reading the signal takes a fiftieth of a short command's time; until then the system ends the process.
  return await command.run(Object.create(context, { prepared: { value: prepared } })) ?? 0;
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
  if (printsJson(argv)) return "json";
  const at = argv.indexOf("--log-format");
  const flag = at === -1 ? argv.find((a) => a.startsWith("--log-format="))?.slice(13) : argv[at + 1];
  return (flag ?? env.AIM_LOG_FORMAT)?.trim().toLowerCase() === "json" ? "json" : "text";
}

/** Programs read the output: `--format json`, `--json` or `--progress json`. */
function printsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  const words = end === -1 ? argv : argv.slice(0, end);
  return words.some((word, at) =>
    /^--(?:json|(?:format|progress)=json)$/.test(word) ||
    (word === "json" && /^--(?:format|progress)$/.test(words[at - 1] ?? ""))
  );
}

function currentDirectory(): string {
  try {
    return Deno.cwd();
  } catch {
    // The directory was removed: absolute paths still mean something.
    return "/";
  }
}

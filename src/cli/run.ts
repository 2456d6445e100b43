import type { Config } from "../config/config.ts";
import { resolveConfig } from "../config/resolve_config.ts";
import { type Setting, SETTING_NAMES, SETTINGS } from "../config/settings.ts";
import { captureConsole } from "../log/capture_console.ts";
import { unknownVariables } from "../config/variables.ts";
import { hideSecrets } from "../engine/hide_secrets.ts";
import { configureLog, log, logEnabled } from "../log/logger.ts";
import { printable } from "../log/printable.ts";
import { keepEnvironmentSecrets } from "../log/redact.ts";
import { endStep } from "../log/start_steps.ts";
import { fileCalls, treeCalls } from "../os/libc.ts";
import { revokePermissions } from "../os/revoke_permissions.ts";
import { jsonValue } from "../values/write_json.ts";
import { callersEnvironment } from "./callers_environment.ts";
import { type Command, type CommandContext, loadsFirst } from "./command.ts";
import { ClosedOutput, colourEnabled, jsonReport, terminalOf, writeAll } from "./output.ts";
import { parseFlags } from "./parse_flags.ts";
import { findCommand, loadCommand, loadCommands } from "./registry.ts";
import { reportError } from "./report_error.ts";
import { withStyles } from "./style.ts";
import { watchSignals } from "./watch_signals.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The program's effects on its process; tests replace them. */
export type Edge = typeof PROCESS;

const PROCESS = {
  stdout: (text: string) => writeAll(Deno.stdout, text),
  // A closed standard error must not end a download.
  stderr(text: string): void {
    try {
      writeAll(Deno.stderr, text);
    } catch { /* nowhere to report it */ }
  },
  revoke: revokePermissions,
  /** Until it is called, SIGINT and SIGTERM end the process. */
  watchSignals,
};

/** Runs the program in this process, and reports uncaught errors. */
export async function run(argv: readonly string[]): Promise<number> {
  const env = callersEnvironment(Deno.env.toObject());
  const fail = (event: Event, thrown: unknown) => {
    event.preventDefault();
    Deno.exit(report(thrown, outputOf(argv, env).errors, PROCESS));
  };
  globalThis.addEventListener("unhandledrejection", (event) => fail(event, event.reason));
  globalThis.addEventListener("error", (event) => fail(event, event.error));
  return await runProgram(argv, env, PROCESS);
}

/** Runs the command in argv, and reports its failure as one line on standard error. Returns the exit code. */
export async function runProgram(argv: readonly string[], env: Environment, edge: Edge): Promise<number> {
  const { printsJson, errors } = outputOf(argv, env);
  let command: Command | null = null;
  let printed = false;
  const stdout = terminalOf(Deno.stdout);
  try {
    keepEnvironmentSecrets(env);
    const { name, rest } = findCommand(argv);
    command = await loadCommand(name);
    const { settings, ...parsed } = parseFlags(command, rest);
    // Help must work with an invalid configuration.
    const isHelp = ["help", "completions", "version"].includes(name);
    const config = resolveConfig({ flags: settings, env: isHelp ? {} : env, cwd: currentDirectory() });
    endStep("settings");
    startLog(config, env, edge);
    const isJson = parsed.flags.format === "json";
    // All results are printed by this.
    const print = (text: string) => {
      printed = true;
      const safe = printable(text, "\n\t");
      edge.stdout(isJson ? safe : withStyles(safe, colourEnabled(env, stdout.isTerminal)));
    };
    let signal: AbortSignal | undefined;
    return await runCommand(command, {
      ...parsed,
      config,
      env,
      print,
      report: (value, text) => print(isJson ? jsonReport(value) : text()),
      writeError: edge.stderr,
      get signal() {
        return signal ??= edge.watchSignals();
      },
      stdout,
      stderr: terminalOf(Deno.stderr),
      commands: loadCommands,
    }, edge);
  } catch (error) {
    if (command?.emptyJson !== undefined && !printed && printsJson) {
      edge.stdout(`${command.emptyJson}\n`);
    }
    return report(error, errors, edge);
  }
}

function report(thrown: unknown, format: "text" | "json", edge: Edge): number {
  if (thrown instanceof ClosedOutput) return 0;
  const { line, code } = reportError(thrown, format);
  edge.stderr(`${line}\n`);
  return code;
}

async function runCommand(command: Command, context: CommandContext, edge: Edge): Promise<number> {
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
  return await command.run(context, prepared) ?? 0;
}

function startLog(config: Config, env: Environment, edge: Edge): void {
  const { logLevel: level, logFormat: format } = config;
  configureLog({ level, format, write: (line) => edge.stderr(`${line}\n`) });
  captureConsole(config.logLevelRoot);
  if (logEnabled("DEBUG")) logSettings(config);
  for (const line of unknownVariables(env)) log.warn(line);
}

/** Logs every setting that has a value, and where the value comes from. Secrets are not shown. */
function logSettings(config: Config): void {
  for (const name of SETTING_NAMES) {
    const { env, secret }: Setting = SETTINGS[name];
    const value = config[name];
    if (value === null) continue;
    const shown = value instanceof Map ? jsonValue(hideSecrets(value, {}).args) : value;
    log.debug(`setting ${env[0]}`, { value: secret ? "***" : shown, from: config.origins[name] });
  }
}

/** Whether the output is JSON, and the format of errors, before the command line is parsed. */
function outputOf(argv: readonly string[], env: Environment) {
  const words = `${` ${argv.join(" ")} `.split(" -- ", 1)[0]} `;
  const printsJson = / --(?:json|(?:format|progress)[= ]json) /.test(words);
  const logFormat = / --log-format[= ](\S+)/.exec(words)?.[1] ?? env.AIM_LOG_FORMAT;
  const isJson = printsJson || logFormat?.trim().toLowerCase() === "json";
  return { printsJson, errors: isJson ? "json" : "text" } as const;
}

function currentDirectory(): string {
  try {
    return Deno.cwd();
  } catch {
    // The directory was removed; absolute paths still work.
    return "/";
  }
}

import { AimError } from "../errors/aim_error.ts";

/** A program to become. */
export interface Program {
  readonly path: string;
  /** With the program's own name first. */
  readonly argv: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * All that would end or stop this process, and what a supervisor sends. SIGKILL and SIGSTOP cannot be caught,
 * nor can the real-time signals and those of a crash here.
 */
const FORWARDED = [
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT"] as const),
  ...(["SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR"] as const),
  ...(["SIGSTKFLT", "SIGXCPU", "SIGXFSZ", "SIGTRAP", "SIGABRT", "SIGSYS", "SIGURG"] as const),
];

/**
 * Runs a program in this one's place, if the C library cannot be loaded: a child that gets every signal
 * sent to this process, and whose exit code this process ends with (128 + N if signal N ended it). It has
 * a session of its own, so that a terminal's Ctrl-C reaches it once, through this process.
 *
 * @param fileLimit Soft limit on open files; `null`: that of this process.
 * @throws {AimError} `engine` if it cannot be executed.
 */
export async function runAsChild(program: Program, fileLimit: number | null): Promise<never> {
  let child: Deno.ChildProcess | undefined;
  // Before there is a child: it may be signalled as soon as it runs.
  for (const signal of FORWARDED) {
    Deno.addSignalListener(signal, () => {
      try {
        child?.kill(signal);
      } catch { /* it has ended: its status is on its way */ }
    });
  }
  try {
    child = commandOf(program, fileLimit).spawn();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AimError("engine", `${program.path} cannot be executed: ${reason}`, {
      hint: "check that it is a program for this machine and may be executed",
      cause,
    });
  }
  const status = await child.status;
  Deno.exit(status.code);
}

function commandOf({ path, argv, env }: Program, fileLimit: number | null): Deno.Command {
  const args = argv.slice(1);
  const own = fileLimit === null
    ? { path, args }
    : { path: "/bin/sh", args: ["-c", 'ulimit -Sn "$0"; exec "$@"', `${fileLimit}`, path, ...args] };
  return new Deno.Command(own.path, {
    args: own.args,
    clearEnv: true,
    env: Object.fromEntries(
      Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
    ),
    detached: true,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
}

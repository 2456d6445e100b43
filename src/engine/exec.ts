import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { cString, describeErrno, lastErrno, type ProcessCalls, processCalls } from "../os/libc.ts";
import { kernelFiles } from "../os/kernel_files.ts";

/**
 * Replaces this process by a program with execve(2): same PID; standard input, output and error inherited, no
 * other file descriptor; every signal at its default and none blocked; the limit on open files that aim was
 * started with. Does not return.
 *
 * If the C library cannot be loaded, the program runs as a child that gets every signal sent to this process.
 *
 * @param argv With the program's own name first.
 * @param environment The complete environment.
 * @returns The child's exit code (128 + N if signal N ended it).
 * @throws {AimError} `engine` if the program cannot be executed; `usage` for words with NUL.
 */
export async function replaceProcess(
  path: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const env = Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const fileLimit = callersFileLimit();
  const libc = processCalls();
  if ("refused" in libc) {
    log.debug(`the C library cannot be loaded (${libc.refused}), running the engine as a child`);
    return await runAsChild(path, argv.slice(1), Object.fromEntries(env), fileLimit?.soft ?? null);
  }
  const { library } = libc;
  // Referenced until the call, which gets only the addresses of their bytes.
  const words = argv.map(cString);
  const variables = env.map(([name, value]) => cString(`${name}=${value}`));
  const file = cString(path);
  closeOnExec(library);
  resetSignals(library);
  if (fileLimit !== null && fileLimit.hard !== null) {
    const limits = [fileLimit.soft, fileLimit.hard].map(BigInt);
    library.setrlimit?.(OPEN_FILES, new BigUint64Array(limits));
  }
  library.execve(file, pointersTo(words), pointersTo(variables));
  throw cannotExecute(path, describeErrno(library, lastErrno(library)));
}

function cannotExecute(path: string, reason: string, cause?: unknown): AimError {
  return new AimError("engine", `${path} cannot be executed: ${reason}`, {
    hint: "check that it is executable and built for this machine",
    cause,
  });
}

/** `RLIMIT_NOFILE` of setrlimit(2). */
const OPEN_FILES = 7;

/** @param hard `null` if it is not known. */
type FileLimit = { readonly soft: number; readonly hard: number | null };

/**
 * The limit on open files that aim was started with; `null` if it is not known or was not raised. Deno raises
 * its own to the hard one before any code of ours runs. The launcher passes on what it was; without one, it
 * is the parent's.
 */
function callersFileLimit(): FileLimit | null {
  const own = limitsOf("self");
  const launched = Deno.env.get("_AIM_LAUNCHED") ?? "";
  const before = /^\d{2,}$/.test(launched)
    ? { soft: Number(launched), hard: own?.hard ?? null }
    : own && limitsOf(Deno.ppid);
  const raised = own === null || before?.hard === own.hard && before.soft < own.soft;
  return raised ? before : null;
}

function limitsOf(process: number | "self"): FileLimit | null {
  const read = kernelFiles().text(`/proc/${process}/limits`);
  const found = read.kind === "ok" ? /^Max open files\s+(\d+)\s+(\d+)/m.exec(read.value) : null;
  return found === null ? null : { soft: Number(found[1]), hard: Number(found[2]) };
}

const F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, FD_CLOEXEC = 1, O_NONBLOCK = 0o4000;
const CLOSE_RANGE_CLOEXEC = 4, LAST_FD = 0xffffffff;
const SIG_SETMASK = 2;
// SIGKILL and SIGSTOP cannot be set; 32 and 33 belong to the C library's threads.
const FIXED_SIGNALS = new Set([9, 19, 32, 33]);

function closeOnExec(library: ProcessCalls): void {
  // Linux before 5.11 and some sandboxes do not support it.
  if (library.close_range?.(3, LAST_FD, CLOSE_RANGE_CLOEXEC) !== 0) {
    const open = kernelFiles().list("/proc/self/fd");
    const fds = open.kind === "ok" ? open.value.map(Number) : Array.from({ length: 1024 }, (_, fd) => fd);
    for (const fd of fds) if (fd > 2) library.fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  // A runtime that reads asynchronously may have made these non-blocking; Python expects them to block.
  for (const fd of [0, 1, 2]) {
    const flags = library.fcntl(fd, F_GETFL, 0);
    if (flags >= 0 && (flags & O_NONBLOCK) !== 0) library.fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  }
}

function resetSignals(library: ProcessCalls): void {
  for (let signal = 1; signal <= 64; signal++) {
    if (!FIXED_SIGNALS.has(signal)) library.signal(signal, null);
  }
  // sigset_t has 1024 bits in glibc.
  library.sigprocmask(SIG_SETMASK, new Uint8Array(128), null);
}

/** `char *const []`: the strings' addresses, then null. */
function pointersTo(strings: readonly Uint8Array<ArrayBuffer>[]): BigUint64Array<ArrayBuffer> {
  const addresses = strings.map((bytes) => BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes))));
  return new BigUint64Array([...addresses, 0n]);
}

/** Every signal that Deno can catch and that would end or stop this process, or that a supervisor sends. */
const FORWARDED = [
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT"] as const),
  ...(["SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR"] as const),
  ...(["SIGSTKFLT", "SIGXCPU", "SIGXFSZ", "SIGTRAP", "SIGABRT", "SIGSYS", "SIGURG"] as const),
];

/** The child has its own session, so that a terminal's Ctrl-C reaches it once, through this process. */
async function runAsChild(
  path: string,
  args: readonly string[],
  env: Record<string, string>,
  fileLimit: number | null,
): Promise<number> {
  let child: Deno.ChildProcess | undefined;
  // Listen before the child exists: it may be signalled as soon as it runs.
  const forward = (signal: Deno.Signal) => {
    try {
      child?.kill(signal);
    } catch { /* it has ended: its status follows */ }
  };
  for (const signal of FORWARDED) Deno.addSignalListener(signal, () => forward(signal));
  // A second Ctrl-C may end this process: the engine must not outlive it.
  globalThis.addEventListener("unload", () => forward("SIGTERM"));
  const [program, words] = fileLimit === null
    ? [path, args]
    : ["/bin/sh", ["-c", 'ulimit -Sn "$0"; exec "$@"', `${fileLimit}`, path, ...args]];
  const command = new Deno.Command(program, {
    args: [...words],
    clearEnv: true,
    env,
    detached: true,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  try {
    child = command.spawn();
  } catch (cause) {
    throw cannotExecute(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
  return (await child.status).code;
}

import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { cString, describeErrno, lastErrno, type ProcessCalls, processCalls } from "../os/libc.ts";
import { kernelFiles } from "../os/kernel_files.ts";
import { type Program, runAsChild } from "./run_as_child.ts";

/**
 * Replaces this process by a program with execve(2): same PID; standard input, output and error inherited, no
 * other file descriptor; every signal at its default and none blocked; the limit on open files that aim was
 * started with. Does not return.
 *
 * Where the C library cannot be loaded, the program runs as a child that gets every signal sent to this
 * process; then the exit code is the child's (128 + N if signal N ended it).
 *
 * @throws {AimError} `engine` if the program cannot be executed; `usage` for words with NUL.
 */
export async function replaceProcess(program: Program): Promise<number> {
  const fileLimit = callersFileLimit();
  const libc = processCalls();
  if ("refused" in libc) {
    log.debug(`the C library cannot be loaded (${libc.refused}), running the engine as a child`);
    return await runAsChild(program, fileLimit?.soft ?? null);
  }
  const { library } = libc;
  // They live until the call, and with them the addresses of their bytes.
  const argv = program.argv.map(cString);
  const env = Object.entries(program.env)
    .flatMap(([name, value]) => value === undefined ? [] : [cString(`${name}=${value}`)]);
  const path = cString(program.path);
  closeOnExec(library);
  resetSignals(library);
  if (fileLimit !== null && fileLimit.hard !== null) {
    const limits = [fileLimit.soft, fileLimit.hard].map(BigInt);
    library.setrlimit?.(OPEN_FILES, new BigUint64Array(limits));
  }
  library.execve(path, pointersTo(argv), pointersTo(env));
  const reason = describeErrno(library, lastErrno(library));
  throw new AimError("engine", `${program.path} cannot be executed: ${reason}`, {
    hint: "check that it is a program for this machine and may be executed",
  });
}

/** `RLIMIT_NOFILE` of setrlimit(2). */
const OPEN_FILES = 7;

/**
 * The limit on open files that the engine should have: the soft one that aim was started with. Deno raises
 * its own to the hard one when it starts, before any code of ours. The launcher says what it was; else the
 * parent's limit is the one that was inherited. `null` if it is not known or was not raised.
 *
 * @returns `hard`: `null` if it is not known.
 */
function callersFileLimit(): { soft: number; hard: number | null } | null {
  const launched = Deno.env.get("_AIM_LAUNCHED") ?? "";
  const own = limitsOf("self");
  if (/^\d{2,}$/.test(launched)) {
    const soft = Number(launched);
    return own === null || soft < own.soft ? { soft, hard: own?.hard ?? null } : null;
  }
  const parent = limitsOf(Deno.ppid);
  return own !== null && parent?.hard === own.hard && parent.soft < own.soft ? parent : null;
}

function limitsOf(process: number | "self"): { soft: number; hard: number } | null {
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
  // Linux before 5.11 and some sandboxes do not know it.
  if (library.close_range?.(3, LAST_FD, CLOSE_RANGE_CLOEXEC) !== 0) closeEachOnExec(library);
  // A runtime that reads asynchronously may have made these non-blocking; Python expects them to block.
  for (const fd of [0, 1, 2]) {
    const flags = library.fcntl(fd, F_GETFL, 0);
    if (flags >= 0 && (flags & O_NONBLOCK) !== 0) library.fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  }
}

function closeEachOnExec(library: ProcessCalls): void {
  const open = kernelFiles().list("/proc/self/fd");
  const fds = open.kind === "ok" ? open.value.map(Number) : Array.from({ length: 1024 }, (_, fd) => fd);
  for (const fd of fds) if (fd > 2) library.fcntl(fd, F_SETFD, FD_CLOEXEC);
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

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
    return await runAsChild(program, fileLimit === null ? null : Number(fileLimit.soft));
  }
  const { library } = libc;
  const argv = pointerArray(program.argv);
  const env = pointerArray(
    Object.entries(program.env).flatMap(([name, value]) => value === undefined ? [] : [`${name}=${value}`]),
  );
  const path = cString(program.path);
  closeOnExec(library);
  resetSignals(library);
  if (fileLimit !== null && fileLimit.hard !== null) {
    library.setrlimit?.(OPEN_FILES, new BigUint64Array([fileLimit.soft, fileLimit.hard]));
  }
  library.execve(path, argv.pointers, env.pointers);
  const reason = describeErrno(library, lastErrno(library));
  throw new AimError("engine", `${program.path} cannot be executed: ${reason}`, {
    hint: "check that it is a program for this machine and may be executed",
  });
}

/** Limits on open files, as setrlimit(2) takes them. */
interface FileLimit {
  readonly soft: bigint;
  /** `null`: not known. */
  readonly hard: bigint | null;
}

/** `RLIMIT_NOFILE` of setrlimit(2). */
const OPEN_FILES = 7;

/**
 * The limit on open files that the engine should have: the soft one that aim was started with. Deno raises
 * its own to the hard one when it starts, before any code of ours. The launcher says what it was; else the
 * parent's limit is the one that was inherited. `null` if it is not known or was not raised.
 */
function callersFileLimit(): FileLimit | null {
  const launched = Deno.env.get("_AIM_LAUNCHED");
  const own = limitOf("self");
  if (launched !== undefined && /^\d{2,}$/.test(launched)) {
    const soft = BigInt(launched);
    return own === null || soft < own.soft ? { soft, hard: own?.hard ?? null } : null;
  }
  const parent = limitOf(Deno.ppid);
  return own !== null && parent?.hard === own.hard && parent.soft < own.soft ? parent : null;
}

function limitOf(process: number | "self"): FileLimit | null {
  const read = kernelFiles().text(`/proc/${process}/limits`);
  const [, soft, hard] = read.kind === "ok" ? /^Max open files\s+(\d+)\s+(\d+)/m.exec(read.value) ?? [] : [];
  return soft === undefined || hard === undefined ? null : { soft: BigInt(soft), hard: BigInt(hard) };
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

/** `char *const []`: the strings' addresses, then null. The strings live as long as the object. */
function pointerArray(
  words: readonly string[],
): { pointers: BigUint64Array<ArrayBuffer>; strings: Uint8Array[] } {
  const strings = words.map(cString);
  const pointers = new BigUint64Array(strings.length + 1);
  strings.forEach((bytes, at) => {
    pointers[at] = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
  });
  return { pointers, strings };
}

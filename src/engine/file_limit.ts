import { kernelFiles } from "../os/kernel_files.ts";
import { processCalls } from "../os/libc.ts";

/** Limits on open files, as setrlimit(2) takes them. */
export interface FileLimit {
  readonly soft: bigint;
  /** `null`: not known. */
  readonly hard: bigint | null;
}

/** `RLIMIT_NOFILE` of getrlimit(2). */
export const OPEN_FILES = 7;

/**
 * The limit on open files that the engine should have: the soft one that aim was started with. Deno raises
 * its own to the hard one when it starts, before any code of ours. The launcher says what it was; else the
 * parent's limit is the one that was inherited.
 *
 * @returns `null` if it is not known or was not raised.
 */
export function callersFileLimit(
  launched: string | undefined = Deno.env.get("_AIM_LAUNCHED"),
): FileLimit | null {
  const own = ownLimit();
  if (launched !== undefined && /^\d{2,}$/.test(launched)) {
    const soft = BigInt(launched);
    return own === null || soft < own.soft ? { soft, hard: own?.hard ?? null } : null;
  }
  const parent = limitOf(Deno.ppid);
  return own !== null && parent?.hard === own.hard && parent.soft < own.soft
    ? { soft: parent.soft, hard: own.hard }
    : null;
}

function ownLimit(): FileLimit | null {
  const libc = processCalls();
  const limits = new BigUint64Array(2);
  if ("refused" in libc || libc.library.getrlimit?.(OPEN_FILES, limits) !== 0) return null;
  const [soft = 0n, hard = 0n] = limits;
  return { soft, hard };
}

function limitOf(process: number): FileLimit | null {
  const read = kernelFiles().text(`/proc/${process}/limits`);
  const [, soft, hard] = read.kind === "ok" ? /^Max open files\s+(\d+)\s+(\d+)/m.exec(read.value) ?? [] : [];
  return soft === undefined || hard === undefined ? null : { soft: BigInt(soft), hard: BigInt(hard) };
}

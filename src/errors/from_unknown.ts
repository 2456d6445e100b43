import { AimError } from "./aim_error.ts";

/**
 * Anything thrown as an {@linkcode AimError}: failures of the file system with a hint below are `no-space`,
 * the rest is `unexpected`.
 *
 * @param doing Begins the message, such as "writing /cache/org/model".
 */
export function errorFrom(thrown: unknown, doing: string): AimError {
  if (thrown instanceof AimError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  // Deno refuses these paths to every program without all permissions.
  if (/^Requires all access to/.test(message)) {
    return new AimError("no-space", `${doing}: this program cannot use paths below /dev, /proc and /sys`, {
      hint: "use another directory (for the cache, AIM_CACHE_PATH): a mounted volume, or a tmpfs at /mnt",
      cause: thrown,
    });
  }
  const code = errnoOf(thrown);
  const hint = code === undefined ? undefined : SPACE_HINTS[code];
  return hint === undefined
    ? new AimError("unexpected", `${doing}: ${message}`, { cause: thrown })
    : new AimError("no-space", `${doing}: ${message}`, { hint, cause: thrown });
}

/** The errno name of a failed system call (`ENOSPC`, …), if the error has one. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const code = (thrown as Error & { code?: unknown }).code;
  if (typeof code === "string" && /^E[A-Z0-9]+$/.test(code)) return code;
  // Failed calls of the C library have only the number.
  const number = /\(os error (\d+)\)/.exec(thrown.message)?.[1];
  if (number === undefined) return undefined;
  const { errno } = globalThis.process.getBuiltinModule("node:os").constants;
  // The last one, since 95 is both ENOTSUP and EOPNOTSUPP.
  return Object.entries(errno).findLast(([, value]) => value === Number(number))?.[0];
}

const DENIED =
  "check the owner and mode of the directory, or name another: for the cache, AIM_CACHE_PATH=$HOME/.cache/aim, " +
  "or below /var/tmp for a user without a home";

const SPACE_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "free some space or use a larger volume, then rerun: finished parts are kept",
  EDQUOT: "raise the quota or free some space, then rerun: finished parts are kept",
  EROFS: "mount it writable or set AIM_CACHE_PATH to a writable directory",
  EACCES: DENIED,
  EPERM: DENIED,
  ENOTDIR: "part of the path is a file: move it away or choose another path",
  EISDIR: "the path is a directory: move it away or choose another path",
  ESTALE: "the network file system lost the file: check that the volume is mounted, then rerun",
  EMFILE: "raise the limit of open files (ulimit -n) or lower AIM_DOWNLOAD_JOBS, then rerun",
  ENFILE: "the system has too many open files: stop processes that have many open, then rerun",
  EFBIG: "use a file system that allows files of this size",
};

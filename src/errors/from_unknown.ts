import { AimError } from "./aim_error.ts";

/**
 * Turns anything thrown into an {@linkcode AimError}. File system failures that have a documented exit code
 * (`ENOSPC`, `EDQUOT`, `EROFS`, `EACCES`, `ESTALE`, `EMFILE`) get it; the rest is `unexpected`. Deno refuses paths below /dev, /proc and /sys to every
 * program without all permissions.
 *
 * @param doing What was being done, as "writing /cache/org/model": it opens the message.
 */
export function errorFrom(thrown: unknown, doing: string): AimError {
  if (thrown instanceof AimError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (/^Requires all access to/.test(message)) {
    return new AimError("no-space", `${doing}: paths below /dev, /proc and /sys are closed to this program`, {
      hint:
        "use a directory outside of these, for the cache with AIM_CACHE_PATH: a mounted volume, or a tmpfs at /mnt",
      cause: thrown,
    });
  }
  const code = errnoOf(thrown);
  const known = code === undefined ? undefined : SPACE_HINTS[code];
  const hint = known?.endsWith("=") === true ? known + ownCachePath() : known;
  return hint === undefined
    ? new AimError("unexpected", `${doing}: ${message}`, { cause: thrown })
    : new AimError("no-space", `${doing}: ${message}`, { hint, cause: thrown });
}

/** A cache path that this user can write to: many users in containers have no home directory of their own. */
function ownCachePath(): string {
  try {
    const [home, uid] = [Deno.env.get("HOME"), Deno.uid()];
    return home && ownerOf(home) === uid ? "$HOME/.cache/aim" : `/var/tmp/aim-${uid}`;
  } catch {
    // Who this user is may not be asked any more.
    return "$HOME/.cache/aim";
  }
}

function ownerOf(path: string): number | null {
  try {
    return Deno.statSync(path).uid;
  } catch {
    return null;
  }
}

/** The errno name of a failed system call (`ENOSPC`, …) in a Deno or Node error, where there is one. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const code = (thrown as Error & { code?: unknown }).code;
  if (typeof code === "string" && /^E[A-Z0-9]+$/.test(code)) return code;
  const number = /\(os error (\d+)\)/.exec(thrown.message)?.[1];
  return number === undefined ? undefined : ERRNO[number];
}

// Linux numbers (errno(3), asm-generic/errno-base.h and errno.h).
const ERRNO: Readonly<Record<string, string>> = {
  "1": "EPERM",
  "2": "ENOENT",
  "5": "EIO",
  "13": "EACCES",
  "16": "EBUSY",
  "17": "EEXIST",
  "18": "EXDEV",
  "20": "ENOTDIR",
  "21": "EISDIR",
  "22": "EINVAL",
  "23": "ENFILE",
  "24": "EMFILE",
  "27": "EFBIG",
  "28": "ENOSPC",
  "30": "EROFS",
  "31": "EMLINK",
  "36": "ENAMETOOLONG",
  "38": "ENOSYS",
  "39": "ENOTEMPTY",
  "40": "ELOOP",
  "95": "EOPNOTSUPP",
  "116": "ESTALE",
  "122": "EDQUOT",
};

const SPACE_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "free some space or use a larger volume, then rerun: finished parts are kept",
  EDQUOT: "raise the quota or free some space, then rerun: finished parts are kept",
  EROFS: "mount it writable or set AIM_CACHE_PATH to a writable directory",
  EACCES: "check the owner and mode of the directory, or name another: for the cache, AIM_CACHE_PATH=",
  EPERM: "check the owner and mode of the directory, or name another: for the cache, AIM_CACHE_PATH=",
  ENOTDIR: "a file is in the place of a directory: move it away or choose another path",
  EISDIR: "a directory is in the place of a file: move it away or choose another path",
  ESTALE: "the network file system lost the file: check that the volume is mounted, then rerun",
  EMFILE: "raise the limit of open files (ulimit -n) or lower AIM_DOWNLOAD_JOBS, then run again",
  ENFILE: "the system has too many open files: stop the processes that hold them, then rerun",
  EFBIG: "use a file system that holds files of this size",
};

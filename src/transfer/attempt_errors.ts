import { AimError } from "../errors/aim_error.ts";
import { errnoOf } from "../errors/from_unknown.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import { SourceChangedError, TransientError } from "../sources/source.ts";
import type { ComputedDigests } from "./types.ts";

/**
 * Errors that another attempt cannot help: our own, those of the source, those of this machine's files. Any
 * other is the network's.
 */
export function isFatal(failure: unknown): boolean {
  if (failure instanceof ReferenceError || failure instanceof RangeError) return true;
  return failure instanceof AimError || failure instanceof SourceChangedError ||
    (!(failure instanceof TransientError) && LOCAL.has(errnoOf(failure) ?? ""));
}

const LOCAL = new Set(
  [
    "ENOSPC",
    "EDQUOT",
    "EROFS",
    "EFBIG",
    "EIO",
    "EACCES",
    "EPERM",
    "ENOENT",
    "ENOTDIR",
    "EISDIR",
    "ESTALE",
    "ELOOP",
  ],
);

export function integrityError(file: ManifestFile, digests: ComputedDigests): AimError {
  const { digest } = file;
  const computed = digest === null ? "" : digests[digest.algorithm];
  return new AimError(
    "integrity",
    `${file.path}: two downloads failed the digest check: ${digest?.algorithm} is ${computed}, ` +
      `the source says ${digest?.hex}`,
    {
      hint:
        "suspect a proxy, a disk or the file at the source; if the file is sound and its digest is wrong, " +
        "download-to-cache --no-verify takes it by its size",
    },
  );
}

import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import { SourceChangedError, TransientError } from "../sources/source.ts";
import type { ComputedDigests } from "./types.ts";

/** True if a retry cannot help: after an error of aim's or the source's, or of files on this machine. */
export function isFatal(failure: unknown): boolean {
  if (failure instanceof TransientError) return false;
  if (failure instanceof AimError || failure instanceof SourceChangedError) return true;
  if (failure instanceof ReferenceError || failure instanceof RangeError) return true;
  const code = errnoOf(failure) ?? "";
  return errorFrom(failure, "").kind === "no-space" || ["EIO", "ENOENT", "ELOOP"].includes(code);
}

export function integrityError(file: ManifestFile, digests: ComputedDigests): AimError {
  const { digest } = file;
  const computed = digest === null ? "" : digests[digest.algorithm];
  return new AimError(
    "integrity",
    `${file.path}: two downloads failed the digest check: ${digest?.algorithm} is ${computed}, ` +
      `the source has ${digest?.hex}`,
    {
      hint:
        "suspect a proxy, a disk or the file at the source; if the file is sound and its digest is wrong, " +
        "download-to-cache --no-verify checks only the size",
    },
  );
}

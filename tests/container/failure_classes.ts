/** How AMD's AIM Engine classifies a failed download by the text of the container's log. */
export type FailureClass = "infrastructure" | "not found" | "auth" | "storage";

/** Case-insensitive patterns, in the order in which the operator tries them. */
const CLASSES: Readonly<Record<FailureClass, readonly RegExp[]>> = {
  infrastructure: [
    /RBAC:.*not found/i,
    /clusterrole.*not found/i,
    /forbidden.*cannot.*resource/i,
    /serviceaccount.*cannot/i,
  ],
  "not found": [
    /Repository Not Found/i,
    /RepositoryNotFoundError/i,
    /404.*not.*found/i,
    /not.*found.*404/i,
    /NoSuchKey/i,
    /NoSuchBucket/i,
    /model.*not.*found/i,
    /file.*not.*found/i,
    /s3.*404/i,
    /no objects found/i,
  ],
  auth: [
    /access.*denied.*s3/i,
    /AccessDenied/i,
    /s3.*403/i,
    /InvalidAccessKeyId/i,
    /SignatureDoesNotMatch/i,
    /s3.*unauthorized/i,
    /aws.*credentials.*not.*found/i,
    /Unable to locate credentials/i,
    /NoCredentialProviders/i,
    /Access to model .* is restricted/i,
    /Cannot access gated repo/i,
    /repository requires approval/i,
    /Invalid.*token.*huggingface/i,
    /huggingface.*authentication.*failed/i,
    /401.*Unauthorized.*hf\.co/i,
    /403.*Forbidden.*hf\.co/i,
  ],
  storage: [/no space left on device/i, /disk.*full/i, /ENOSPC/i, /quota.*exceeded/i, /storage.*full/i],
};

/** The classes that the log's lines match, in the operator's order; the operator uses the first. */
export function failureClasses(log: string): FailureClass[] {
  const lines = log.trimEnd().split("\n").slice(-200);
  const names = Object.keys(CLASSES) as FailureClass[];
  return names.filter((name) => lines.some((line) => CLASSES[name].some((pattern) => pattern.test(line))));
}

import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";
import { askedWait, LONGEST_WAIT } from "./asked_wait.ts";

/** True for statuses that a retry may fix. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status === 500 || status > 501 && status < 600;
}

/**
 * The error for a response that a retry may fix. It is final if the server asks for too long a wait, and for
 * metadata, whose requests were already retried. The status comes before the host, and the path last: AIM
 * Engine takes lines such as "s3… 404" for the cause of a failure.
 *
 * @param path The requested file; `null` for metadata. `code` is the server's error code.
 */
export function passingFault(
  { status, headers }: { readonly status: number; readonly headers: Pick<Headers, "get"> },
  host: string,
  path: string | null,
  code = "",
): AimError | TransientError {
  const file = path === null ? "" : ` for ${path}`;
  const asked = askedWait(headers);
  if (asked !== null && asked > LONGEST_WAIT) {
    const message = `status ${status}: ${host} asks to wait ${Math.ceil(asked / 60_000)} minutes${file}`;
    return new AimError("network", message, { hint: "run again after that time: finished parts are kept" });
  }
  const why = status === 429 ? " (rate limit)" : "";
  const message = `status ${status} from ${host}${why}${file}${code === "" ? "" : ` (${code})`}`;
  return path === null
    ? new AimError("network", message, { hint: "retry once the server recovers" })
    : new TransientError(message, { retryAfter: asked });
}

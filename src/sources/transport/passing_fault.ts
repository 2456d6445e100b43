import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";
import { askedWait, LONGEST_WAIT } from "./asked_wait.ts";

/**
 * The error for an answer that another attempt may cure; an `AimError` if there is no other attempt: for metadata,
 * which was requested several times, and if the server asks for too long a wait. The status comes before the host, and
 * the path last: AIM Engine reads lines such as "s3… 404" as the reason of a failure, and most of these are no failure.
 *
 * @param path The requested file; `null` for metadata.
 * @param code The server's own code, if it has one.
 */
export function passingFault(
  { status, headers }: { readonly status: number; readonly headers: Pick<Headers, "get"> },
  host: string,
  path: string | null,
  code = "",
): AimError | TransientError {
  const asked = askedWait(headers);
  const file = path === null ? "" : ` for ${path}`;
  if (asked !== null && asked > LONGEST_WAIT) {
    return new AimError(
      "network",
      `status ${status}: ${host} asks to wait ${Math.ceil(asked / 60_000)} minutes${file}`,
      { hint: "run the command again then: finished parts are kept" },
    );
  }
  const why = status === 429 ? " limits requests" : "";
  const message = `status ${status} from ${host}${why}${file}${code === "" ? "" : ` (${code})`}`;
  return path === null
    ? new AimError("network", message, { hint: "retry once the server recovers" })
    : new TransientError(message, { retryAfter: asked });
}

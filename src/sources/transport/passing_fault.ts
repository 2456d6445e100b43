import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";
import { LONGEST_WAIT } from "./asked_wait.ts";

/**
 * The error for an answer that another attempt may cure; an `AimError` if the server asks for too long a
 * wait. The status comes before the host, and the path last: AIM Engine reads lines such as "s3… 404" as
 * the reason of a failure, and most of these are no failure.
 *
 * @param path The file that was asked for; `null` for metadata.
 * @param asked Milliseconds that the server asks to wait.
 */
export function passingFault(
  status: number,
  host: string,
  path: string | null,
  asked: number | null,
): AimError | TransientError {
  const file = path === null ? "" : ` for ${path}`;
  if (asked !== null && asked > LONGEST_WAIT) {
    return new AimError(
      "network",
      `status ${status}: ${host} asks to wait ${Math.ceil(asked / 60_000)} minutes${file}`,
      { hint: "run the command again then: finished parts are kept" },
    );
  }
  const why = status === 429 ? " limits requests" : "";
  return new TransientError(`status ${status} from ${host}${why}${file}`, { retryAfter: asked });
}

import { AimError } from "../../errors/aim_error.ts";
import { SourceChangedError, type TransientError } from "../source.ts";
import { passingFault } from "../transport/passing_fault.ts";
import { readStart } from "../transport/read_bounded.ts";
import { discard, isTransientStatus } from "../transport/transport.ts";

/**
 * Turns a registry's refusal into an error, with the registry's own code (`MANIFEST_UNKNOWN`, `DENIED`, …) in brackets.
 *
 * @param uri As the user wrote it.
 * @param path The file that was requested; `null` for the manifest.
 */
export async function ociError(
  response: Response,
  uri: string,
  host: string,
  path: string | null,
): Promise<AimError | TransientError | SourceChangedError> {
  const { status } = response;
  const answering = URL.parse(response.url)?.host ?? host;
  // A signed address at another origin has expired: the registry will give a new one.
  const isExpired = path !== null && answering !== host && (status === 401 || status === 403);
  if (isTransientStatus(status) || isExpired) {
    await discard(response);
    return passingFault(response, answering, path);
  }
  const code = `${codeIn(await readStart(response))}${status}`;
  switch (status) {
    case 401:
    case 403:
      return new AimError("unauthorized", `${host} refuses access to ${uri} (${code})`, {
        hint: "log in with a registry client, or set REGISTRY_AUTH_FILE to its login file",
      });
    case 404:
      return path === null
        ? new AimError("not-found", `${uri} does not exist (${code})`, {
          hint: "check registry, repository and tag",
        })
        : new SourceChangedError(path, `the blob of ${path} is no longer in ${host}`);
    case 416:
      return new SourceChangedError(path ?? uri, `${path ?? uri} is shorter than it was`);
    default:
      return new AimError("network", `${host} answers ${status} for ${path ?? uri} (${code})`, {
        hint: "check the registry's address and its log",
      });
  }
}

/** `NAME_UNKNOWN, ` from the error format of the specification. */
function codeIn(text: string): string {
  const code = /"code"\s*:\s*"([A-Z_]{1,40})"/.exec(text)?.[1];
  return code === undefined ? "" : `${code}, `;
}

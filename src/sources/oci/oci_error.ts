import { AimError } from "../../errors/aim_error.ts";
import { SourceChangedError } from "../source.ts";
import { isTransientStatus, passingFault } from "../transport/passing_fault.ts";
import { discard, readStart } from "../transport/read_bounded.ts";

/**
 * Turns a registry's refusal into an error, with the registry's own code (`MANIFEST_UNKNOWN`, `DENIED`, …) in
 * brackets.
 *
 * @param uri As the user wrote it.
 * @param path The file that was requested; `null` for the manifest.
 */
export async function ociError(
  response: Response,
  uri: string,
  host: string,
  path: string | null,
): Promise<Error> {
  const { status } = response;
  const answering = URL.parse(response.url)?.host ?? host;
  const isRefused = status === 401 || status === 403;
  // A signed address at another origin has expired: the registry will give a new one.
  if (isTransientStatus(status) || (path !== null && answering !== host && isRefused)) {
    await discard(response);
    return passingFault(response, answering, path);
  }
  // The error format of the distribution specification.
  const word = /"code"\s*:\s*"([A-Z_]{1,40})"/.exec(await readStart(response))?.[1];
  const code = word === undefined ? `${status}` : `${word}, ${status}`;
  if (isRefused) {
    const hint = "log in with a registry client, or set REGISTRY_AUTH_FILE to its login file";
    return new AimError("unauthorized", `${host} refuses access to ${uri} (${code})`, { hint });
  }
  if (path !== null && status === 404) {
    return new SourceChangedError(`${host} no longer has the blob of ${path}`);
  }
  if (path !== null && status === 416) {
    return new SourceChangedError(`${path} is shorter than it was`);
  }
  if (status === 404) {
    const hint = "check registry, repository and tag";
    return new AimError("not-found", `${uri} does not exist (${code})`, { hint });
  }
  return new AimError("network", `${host} returned ${status} for ${path ?? uri} (${code})`, {
    hint: "check the registry's address and its log",
  });
}

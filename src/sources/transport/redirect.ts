import { AimError } from "../../errors/aim_error.ts";
import { discard } from "./read_bounded.ts";
import type { RequestHeaders } from "./http_connection.ts";

/** A response, and the address that sent it. */
export interface FoundAnswer {
  readonly response: Response;
  readonly url: URL;
}

/** Maximum redirects of one request. */
const MOST_REDIRECTS = 5;

/**
 * Sends a request and follows redirects. Origins other than the first get neither `authorization` nor
 * `if-range`: an ETag is only valid at the server that sent it.
 *
 * @param send Sends it to one address, with credentials if the address may have them.
 * @throws {AimError} `network` for too many redirects; as `send` and `targetOf`.
 */
export async function followRedirects(
  first: URL,
  headers: RequestHeaders | undefined,
  send: (url: URL, headers: RequestHeaders) => Promise<Response>,
  targetOf: (response: Response, from: URL) => URL | null = redirectTarget,
): Promise<FoundAnswer> {
  for (let url = first, hop = 0; hop <= MOST_REDIRECTS; hop++) {
    const { authorization: _login, "if-range": _etag, ...common } = headers ?? {};
    const own = url.origin === first.origin ? headers : common;
    const response = await send(url, { ...own, "user-agent": "aim" });
    const target = targetOf(response, url);
    if (target === null) return { response, url };
    await discard(response);
    url = target;
  }
  throw new AimError("network", `${first.host} redirects more than ${MOST_REDIRECTS} times`, {
    hint: "check the address of the hub (HF_ENDPOINT) or the registry",
  });
}

/**
 * The target of a redirect; `null` for any other response.
 *
 * @throws {AimError} `network` for an address that is never followed: anything but http and https, or http
 * after https.
 */
export function redirectTarget(
  response: { readonly status: number; readonly headers: Pick<Headers, "get"> },
  from: URL,
): URL | null {
  const location = response.headers.get("location");
  if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return null;
  const target = URL.parse(location, from);
  const refused = (where: string, hint: string) =>
    new AimError("network", `${from.host} redirects to ${where}, which is not followed`, { hint });
  if (target === null) {
    throw refused(JSON.stringify(location.slice(0, 100)), "check the address and the proxy settings");
  }
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    throw refused(`a ${target.protocol} address`, "check the address: only http and https are followed");
  }
  if (from.protocol === "https:" && target.protocol === "http:") {
    const hint = "make the server, or the proxy in front of it, redirect to https addresses";
    throw refused(`http://${target.host}`, hint);
  }
  return target;
}

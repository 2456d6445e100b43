import { AimError } from "../../errors/aim_error.ts";

/** Redirects followed for one question. */
export const MOST_REDIRECTS = 5;

/**
 * Where a redirect leads; `null` for any other answer.
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
    throw refused(
      `http://${target.host}`,
      "make the server, or the proxy in front of it, redirect to https addresses",
    );
  }
  return target;
}

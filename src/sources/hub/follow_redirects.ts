import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";
import { MOST_REDIRECTS, redirectTarget } from "../transport/redirect.ts";
import { discard } from "../transport/transport.ts";

/** Public mirrors keep this address in their answers. */
const PUBLIC_HUB = "https://huggingface.co";

/**
 * Follows redirects, with a request of its own for each address: the token is for the hub's origin only.
 *
 * @param endpoint The hub's, without a slash at the end.
 * @param ask One request.
 * @returns The first answer that is not a redirect, and its address.
 */
export async function followRedirects(
  first: URL,
  endpoint: string,
  ask: (url: URL) => Promise<Response>,
): Promise<{ readonly response: Response; readonly url: URL }> {
  for (let url = atHub(first, endpoint), hop = 0; hop <= MOST_REDIRECTS; hop++) {
    const response = await ask(url).catch((error) => {
      throw fromElsewhere(error, url, endpoint);
    });
    const next = redirectOf(response, url, endpoint);
    if (next === null) return { response, url };
    await discard(response);
    url = next;
  }
  throw new AimError("network", `${first.host} redirects without end`, { hint: "check HF_ENDPOINT" });
}

/** The target of a redirect by a hub at this endpoint; `null` for any other answer. */
export function redirectOf(
  response: Pick<Response, "status" | "headers">,
  from: URL,
  endpoint: string,
): URL | null {
  const target = redirectTarget(response, from);
  if (target === null) return null;
  const mapped = atHub(target, endpoint);
  // A mirror may redirect to the public hub for what it does not have: it must not be asked again.
  return mapped.href === from.href ? target : mapped;
}

/** How paths of the hub's routes begin, after the endpoint's own path. */
const HUB_ROUTE = /^\/(?:api|[^/]+\/[^/]+\/resolve)\//;

/** Maps addresses of the public hub to the mirror, and restores the endpoint's own path if it is missing. */
function atHub(url: URL, endpoint: string): URL {
  const { origin, pathname } = new URL(endpoint);
  if (url.origin === PUBLIC_HUB && origin !== PUBLIC_HUB) {
    return new URL(endpoint + url.pathname + url.search);
  }
  const lost = pathname !== "/" && url.origin === origin && !url.pathname.startsWith(`${pathname}/`);
  return lost && HUB_ROUTE.test(url.pathname) ? new URL(endpoint + url.pathname + url.search) : url;
}

/** The user never typed the address of a redirect, so a failure there names the hub too. */
function fromElsewhere(error: unknown, url: URL, endpoint: string): unknown {
  const hub = new URL(endpoint);
  if (url.origin === hub.origin || !(error instanceof Error)) return error;
  const message = `${hub.host} redirects to ${url.host}: ${error.message}`;
  if (error instanceof TransientError) {
    return new TransientError(message, { retryAfter: error.retryAfter, cause: error });
  }
  if (!(error instanceof AimError) || error.kind !== "network") return error;
  return new AimError("network", message, {
    hint: `allow connections to ${url.host}, or set HF_ENDPOINT to a mirror that has the model itself`,
    cause: error,
  });
}

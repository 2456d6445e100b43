import { AimError } from "../../errors/aim_error.ts";
import { fromElsewhere } from "./from_elsewhere.ts";
import { MOST_REDIRECTS, redirectTarget } from "../transport/redirect.ts";
import type { Transport } from "../transport/transport.ts";

/** Where the hub is, and how one is known there. */
export interface HubAccess {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** The endpoint's. */
  readonly origin: string | undefined;
  readonly token: string | null;
}

/** What public mirrors keep naming in their answers. */
const PUBLIC_HUB = "https://huggingface.co";

/**
 * A `fetch` for the hub's API: the token goes to the hub's own origin and nowhere else, redirects are
 * followed by hand, and passing errors are tried again.
 *
 * @param attempt `request` of a transport for metadata, `fetch` for one attempt.
 */
export function hubFetch(
  access: HubAccess,
  attempt: Transport["request"],
  signal: AbortSignal | undefined,
): typeof fetch {
  return async (input, init) => {
    const { method, url: address, headers } = new Request(input, { ...init, signal: null });
    let url = atHub(new URL(address), access.endpoint);
    for (let hop = 0;; hop++) {
      const response = await attempt(url, {
        method,
        headers: withFields(headers, hubHeaders(url, access)),
        body: init?.body ?? null,
        signal,
      }).catch((error) => {
        throw fromElsewhere(error, url, access.endpoint);
      });
      const next = redirectOf(response, url, access.endpoint);
      if (next === null) return withAbsoluteLink(response, url, access.endpoint);
      await response.body?.cancel();
      if (hop >= MOST_REDIRECTS) {
        throw new AimError("network", `${url.host} redirects without end`, { hint: "check HF_ENDPOINT" });
      }
      // The xet store's token is the library's, and for that store alone.
      if (next.origin !== url.origin) headers.delete("authorization");
      url = next;
    }
  };
}

/** Who asks, for a request to this URL: the token is there at the hub's own origin, and not at any other. */
export function hubHeaders(url: URL, { token, origin }: HubAccess): Readonly<Record<string, string>> {
  return token !== null && url.origin === origin
    ? { "user-agent": "aim", authorization: `Bearer ${token}` }
    : { "user-agent": "aim" };
}

/** What the library itself says of authorization stands. */
function withFields(given: Headers, fields: Readonly<Record<string, string>>): Headers {
  const headers = new Headers(given);
  for (const [name, value] of Object.entries(fields)) {
    if (name !== "authorization" || !headers.has(name)) headers.set(name, value);
  }
  return headers;
}

/** Where a redirect leads, for a hub at this endpoint; `null` for any other answer. */
export function redirectOf(
  response: Pick<Response, "status" | "headers">,
  from: URL,
  endpoint: string,
): URL | null {
  const target = redirectTarget(response, from);
  if (target === null) return null;
  const mapped = atHub(target, endpoint);
  // A mirror that sends away what it does not have would be asked the same again.
  return mapped.href === from.href ? target : mapped;
}

/** What a hub's routes begin with, behind the endpoint's own path. */
const HUB_ROUTE = /^\/(?:api|[^/]+\/[^/]+\/resolve)\//;

/**
 * Behind a mirror, what names the public hub means the mirror; behind a path, an address that has lost the
 * path means that path too.
 */
function atHub(url: URL, endpoint: string): URL {
  const { origin, pathname } = new URL(endpoint);
  if (url.origin === PUBLIC_HUB && origin !== PUBLIC_HUB) {
    return new URL(endpoint + url.pathname + url.search);
  }
  const lost = pathname !== "/" && url.origin === origin && !url.pathname.startsWith(`${pathname}/`);
  return lost && HUB_ROUTE.test(url.pathname) ? new URL(endpoint + url.pathname + url.search) : url;
}

/**
 * The hub's library knows `Link: <https://…>; rel="next"` alone and takes anything else for the last page: a
 * list cut short. So a link is brought into that form, or is an error.
 */
function withAbsoluteLink(response: Response, url: URL, endpoint: string): Response {
  const link = response.headers.get("link");
  if (link === null || !/rel="?next\b/i.test(link)) return response;
  const target = /<([^>]*)>\s*;[^,<]*rel="?next"?/i.exec(link)?.[1];
  if (target === undefined) {
    throw new AimError("network", `${url.host} names a next page that cannot be read: ${link}`, {
      hint: "check HF_ENDPOINT",
    });
  }
  const headers = new Headers(response.headers);
  headers.set("link", `<${nextPage(new URL(target, url), endpoint).href}>; rel="next"`);
  return new Response(response.body, { status: response.status, headers });
}

/**
 * The next page is where the first one was: a proxy that rewrites bodies leaves the hub's own name in
 * headers.
 */
function nextPage(url: URL, endpoint: string): URL {
  const route = url.pathname.indexOf("/api/models/");
  return route < 0 ? url : new URL(endpoint + url.pathname.slice(route) + url.search);
}

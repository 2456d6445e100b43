import { AimError } from "../../errors/aim_error.ts";
import type { Transport } from "../transport/transport.ts";
import { followRedirects } from "./follow_redirects.ts";

/** The hub's address and token. */
export interface HubAccess {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** The endpoint's. */
  readonly origin: string | undefined;
  readonly token: string | null;
}

/**
 * A `fetch` for the hub's API that follows redirects, sends the token to the hub's own origin only, and
 * retries passing errors.
 *
 * @param send `request` of a transport for metadata, `fetch` for a single attempt.
 */
export function hubFetch(
  access: HubAccess,
  send: Transport["request"],
  signal: AbortSignal | undefined,
): typeof fetch {
  return async (input, init) => {
    const { method, url: address, headers } = new Request(input, { ...init, signal: null });
    const first = new URL(address);
    const { response, url } = await followRedirects(first, access.endpoint, (url) => {
      // The library's own token is for the xet store that it asks, and for no other server.
      if (url.origin !== first.origin) headers.delete("authorization");
      const all = withFields(headers, hubHeaders(url, access));
      return send(url, { method, headers: all, body: init?.body ?? null, signal });
    });
    return withAbsoluteLink(response, url, access.endpoint);
  };
}

/** Headers of a request to this URL: the token only at the hub's own origin. */
export function hubHeaders(url: URL, { token, origin }: HubAccess): Readonly<Record<string, string>> {
  return token !== null && url.origin === origin
    ? { "user-agent": "aim", authorization: `Bearer ${token}` }
    : { "user-agent": "aim" };
}

/** Adds headers, but keeps the library's own authorization. */
function withFields(given: Headers, fields: Readonly<Record<string, string>>): Headers {
  const headers = new Headers(given);
  for (const [name, value] of Object.entries(fields)) {
    if (name !== "authorization" || !headers.has(name)) headers.set(name, value);
  }
  return headers;
}

/**
 * The hub's library understands only `Link: <https://…>; rel="next"` and reads any other form as the last page,
 * which would cut the list short. So other forms are rewritten, or are an error.
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
  const next = new URL(target, url);
  // A proxy that rewrites bodies may leave the hub's own name in headers: every page has the first one's address.
  const route = next.pathname.indexOf("/api/models/");
  const page = route < 0 ? next.href : endpoint + next.pathname.slice(route) + next.search;
  const headers = new Headers(response.headers);
  headers.set("link", `<${page}>; rel="next"`);
  return new Response(response.body, { status: response.status, headers });
}

import { AimError } from "../../errors/aim_error.ts";
import { fieldsOf } from "../../values/json.ts";
import { parseJson } from "../transport/parse_json.ts";
import { serverText } from "./hub_error.ts";
import type { HubRepository } from "./hub_repository.ts";

/** Limits of one listing: pages, entries on all pages, and characters on all pages. */
const MOST_PAGES = 2_000;
const MOST_ENTRIES = 100_000;
const MOST_TEXT = 64 * 2 ** 20;
/** Statuses of servers that do not support one of the hub's routes or queries. */
const UNKNOWN_ROUTE = [400, 404, 405, 415, 422, 501];

/** The server does not support a route. `cause` is the error to report if no other route works. */
export class NoRoute extends Error {}

/**
 * A `fetch` for the hub library's requests about one model. The server may be a mirror and is not trusted:
 * queries that it does not support are dropped, and a response that is not JSON within the limits throws an
 * {@linkcode AimError}.
 */
export function hubApi(
  repository: HubRepository,
  revision: string,
  signal: AbortSignal | undefined,
): typeof fetch {
  const { host, endpoint } = repository;
  const asked = new Set<string>();
  let text = 0;
  let entries = 0;
  const excessive = (what: string) =>
    new AimError("network", `${host} lists files ${what}`, {
      hint: "check HF_ENDPOINT: no model hub responds like this",
    });

  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    // A mirror without pagination repeats the first page.
    if (asked.has(url.href)) throw new NoRoute("", { cause: excessive("in pages that repeat") });
    if (asked.size >= MOST_PAGES) throw excessive(`in more than ${MOST_PAGES} pages`);
    asked.add(url.href);
    const request = { headers: Object.fromEntries(new Headers(init?.headers)), signal };
    let answer = await repository.send("request", url, request);
    if (isUnknownRoute(answer.response) && url.searchParams.has("expand")) {
      url.searchParams.delete("expand");
      answer = await repository.send("request", url, request);
    }
    const { response } = answer;
    if (!response.ok) {
      const error = await repository.refused(answer, revision, null);
      throw isUnknownRoute(response) ? new NoRoute("", { cause: error }) : error;
    }
    const body = await response.text();
    text += body.length;
    if (text > MOST_TEXT) throw excessive(`with more than ${MOST_TEXT} characters`);
    const value = parseJson(body, host);
    refuseErrorObject(value, host);
    const list = Array.isArray(value) ? value : fieldsOf(value).siblings;
    if (Array.isArray(list)) entries += list.length;
    if (entries > MOST_ENTRIES) throw excessive(`with more than ${MOST_ENTRIES} entries`);
    const next = nextPage(response.headers.get("link"), answer.url, endpoint);
    return new Response(body, next === null ? {} : { headers: { link: `<${next}>; rel="next"` } });
  };
}

/** A hub that supports the route sends an error code when it refuses. */
function isUnknownRoute(response: Response): boolean {
  return UNKNOWN_ROUTE.includes(response.status) && !response.headers.has("x-error-code");
}

/** Some proxies send errors with status 200. */
function refuseErrorObject(answer: unknown, host: string): void {
  const { error, sha } = fieldsOf(answer);
  if (error === undefined || sha !== undefined) return;
  const said = serverText(typeof error === "string" ? error : JSON.stringify(error));
  throw new AimError("network", `${host} returned an error: ${JSON.stringify(said)}`, {
    hint: "check HF_ENDPOINT and the server or proxy behind it",
  });
}

/**
 * The absolute address of the next page. The hub's library understands only `<https://…>; rel="next"` and
 * reads any other form as the last page, which would cut the list short.
 */
function nextPage(link: string | null, from: URL, endpoint: string): string | null {
  if (link === null || !/rel="?next\b/i.test(link)) return null;
  const target = /<([^>]*)>\s*;[^,<]*rel="?next"?/i.exec(link)?.[1];
  if (target === undefined) {
    throw new AimError("network", `${from.host} sent an invalid link to the next page: ${link}`, {
      hint: "check HF_ENDPOINT",
    });
  }
  const next = new URL(target, from);
  // A proxy that rewrites bodies may leave the hub's own name in headers: all pages are requested from the
  // endpoint.
  const route = next.pathname.indexOf("/api/models/");
  return route < 0 ? next.href : endpoint + next.pathname.slice(route) + next.search;
}

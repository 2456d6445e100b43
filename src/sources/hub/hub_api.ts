import { AimError } from "../../errors/aim_error.ts";
import { parseJson } from "../transport/parse_json.ts";
import { serverText } from "./hub_error.ts";

/** Limits of one listing: pages, and characters of all pages. */
const MOST_PAGES = 2_000;
const MOST_TEXT = 64 * 2 ** 20;
/** Statuses of servers that do not have a route or a query of the hub's. */
const UNKNOWN_ROUTE = [400, 404, 405, 415, 422, 501];

/** The server does not have a route. Refusals by the hub itself have a reason and are other errors. */
export class NoRoute extends Error {
  /** The error to report if no other route works. */
  readonly meaning: Error;
  constructor(meaning: Error) {
    super(meaning.message);
    this.meaning = meaning;
  }
}

/**
 * A `fetch` for the hub library's requests about one model. The server may be a mirror and is not trusted: queries
 * that it does not have are left out, and an answer is JSON within limits, or becomes an error of aim's.
 *
 * @param send Follows redirects.
 * @param refused The meaning of a refusal.
 */
export function hubApi(
  endpoint: string,
  send: typeof fetch,
  refused: (response: Response) => Promise<Error>,
): typeof fetch {
  const { host } = new URL(endpoint);
  const asked = new Set<string>();
  let left = MOST_TEXT;
  const excessive = (what: string) =>
    new AimError("network", `${host} lists files ${what}`, {
      hint: "check HF_ENDPOINT: no model hub answers like this",
    });

  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    // A mirror without paging repeats the first page.
    const isQuestion = (init?.method ?? "GET") === "GET";
    if (isQuestion && asked.has(url.href)) throw new NoRoute(excessive("in pages that repeat"));
    if (asked.size >= MOST_PAGES) throw excessive(`in more than ${MOST_PAGES} pages`);
    asked.add(url.href);
    let response = await send(url, init);
    if (isUnknownRoute(response) && url.searchParams.has("expand")) {
      url.searchParams.delete("expand");
      response = await send(url, init);
    }
    if (!response.ok) {
      const error = await refused(response);
      throw isUnknownRoute(response) ? new NoRoute(error) : error;
    }
    const text = await response.text();
    left -= text.length;
    if (left < 0) throw excessive(`with more than ${MOST_TEXT} characters`);
    refuseErrorObject(parseJson(text, host), host);
    return new Response(text, { status: response.status, headers: response.headers });
  };
}

/** The hub itself gives a reason for its refusals. */
function isUnknownRoute(response: Response): boolean {
  return UNKNOWN_ROUTE.includes(response.status) && !response.headers.has("x-error-code");
}

/** Some proxies send errors with status 200. */
function refuseErrorObject(answer: unknown, host: string): void {
  if (typeof answer !== "object" || answer === null || !("error" in answer) || "sha" in answer) return;
  const { error } = answer;
  const said = serverText(typeof error === "string" ? error : JSON.stringify(error));
  throw new AimError("network", `${host} answers with an error: ${JSON.stringify(said)}`, {
    hint: "check HF_ENDPOINT and the server or proxy behind it",
  });
}

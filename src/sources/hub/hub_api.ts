import { AimError } from "../../errors/aim_error.ts";
import { parseJson } from "../transport/parse_json.ts";
import { serverText } from "./hub_error.ts";

/** Answers of one listing together: pages, and their characters. */
const MOST_PAGES = 2_000;
const MOST_TEXT = 64 * 2 ** 20;
/** Statuses of servers that do not know a route or a query of the hub's. */
const UNKNOWN_ROUTE = [400, 404, 405, 415, 422, 501];

/**
 * The server does not know a route, or not all of it; what the hub itself refuses has a reason and is another
 * error.
 */
export class NoRoute extends Error {
  /** What it means where no other route helps. */
  readonly meaning: Error;
  constructor(meaning: Error) {
    super(meaning.message);
    this.meaning = meaning;
  }
}

/**
 * A `fetch` for the hub library's questions about one model, to a server that may be a mirror and is not
 * trusted: queries that it does not know are left out, and what it answers is JSON within bounds, or an error
 * of ours.
 *
 * @param send Follows redirects.
 * @param refused What a refusal means.
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
    // A mirror that does not know pages sends the first one again and again.
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

/** The hub names the reason of what it refuses. */
function isUnknownRoute(response: Response): boolean {
  return UNKNOWN_ROUTE.includes(response.status) && !response.headers.has("x-error-code");
}

/** Some proxies answer an error with status 200. */
function refuseErrorObject(answer: unknown, host: string): void {
  if (typeof answer !== "object" || answer === null || !("error" in answer) || "sha" in answer) return;
  const { error } = answer;
  const said = serverText(typeof error === "string" ? error : JSON.stringify(error));
  throw new AimError("network", `${host} answers with an error: ${JSON.stringify(said)}`, {
    hint: "check HF_ENDPOINT and the server or proxy behind it",
  });
}

import { parseRetryAfter } from "./retry_after.ts";

/**
 * Milliseconds that aim waits at most when a server asks for a wait; if it asks for more, aim gives up and
 * says so.
 */
export const LONGEST_WAIT = 300_000;

/**
 * Milliseconds that an answer asks to wait: `Retry-After`, or the reset of a rate limit with nothing left
 * (`RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers, or the older
 * `RateLimit-Remaining` and `RateLimit-Reset`).
 *
 * @param now Milliseconds since the epoch.
 * @returns `null` if it asks for no wait.
 */
export function askedWait(headers: Pick<Headers, "get">, now: number = Date.now()): number | null {
  return parseRetryAfter(headers.get("retry-after"), now) ?? rateLimitReset(headers);
}

function rateLimitReset(headers: Pick<Headers, "get">): number | null {
  // One entry for each limit: "resolvers";r=0;t=60
  const waits = (headers.get("ratelimit") ?? "").split(",").flatMap((limit) => {
    const left = parameter(limit, "r");
    const reset = parameter(limit, "t") ?? parameter(headers.get("ratelimit-policy") ?? "", "w");
    return left === 0 && reset !== null ? [reset * 1000] : [];
  });
  if (waits.length > 0) return Math.max(...waits);
  if (headers.get("ratelimit-remaining")?.trim() !== "0") return null;
  return parseRetryAfter(headers.get("ratelimit-reset"), 0);
}

function parameter(text: string, name: string): number | null {
  const value = new RegExp(`(?:^|;)\\s*${name}\\s*=\\s*(\\d+(?:\\.\\d+)?)`).exec(text)?.[1];
  return value === undefined ? null : Number(value);
}

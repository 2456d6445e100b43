/** Maximum milliseconds that aim waits when a server asks for it. If a server asks for more, aim gives up. */
export const LONGEST_WAIT = 300_000;

/**
 * Milliseconds that a response asks to wait, or `null`: `Retry-After`, else the reset of an exhausted rate
 * limit (draft-ietf-httpapi-ratelimit-headers, or the older `RateLimit-Remaining` and `-Reset`).
 *
 * @param now Milliseconds since the epoch.
 */
export function askedWait(headers: Pick<Headers, "get">, now: number = Date.now()): number | null {
  const asked = waitIn(headers.get("retry-after"), now);
  if (asked !== null) return asked;
  // One entry for each limit: "resolvers";r=0;t=60
  const waits = (headers.get("ratelimit") ?? "").split(",").flatMap((limit) => {
    const left = parameter(limit, "r");
    const reset = parameter(limit, "t") ?? parameter(headers.get("ratelimit-policy") ?? "", "w");
    return left === 0 && reset !== null ? [reset * 1000] : [];
  });
  if (waits.length > 0) return Math.max(...waits);
  return headers.get("ratelimit-remaining")?.trim() === "0"
    ? waitIn(headers.get("ratelimit-reset"), 0)
    : null;
}

/** Seconds, or a date (RFC 9110, 10.2.3), in milliseconds from now. */
function waitIn(header: string | null, now: number): number | null {
  const text = header?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

function parameter(text: string, name: string): number | null {
  const value = new RegExp(`(?:^|;)\\s*${name}\\s*=\\s*(\\d+(?:\\.\\d+)?)`).exec(text)?.[1];
  return value === undefined ? null : Number(value);
}

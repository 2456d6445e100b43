/**
 * Milliseconds that a `Retry-After` header asks for: seconds, or a date (RFC 9110, 10.2.3).
 *
 * @param now Milliseconds since the epoch.
 * @returns `null` without a header or with one that is not valid.
 */
export function parseRetryAfter(header: string | null, now: number): number | null {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

import { plainEtag } from "../range_body.ts";
import { MOST_REDIRECTS } from "../transport/redirect.ts";
import type { Transport } from "../transport/transport.ts";
import { type HubAccess, hubHeaders, redirectOf } from "./hub_fetch.ts";

/** What a server says of a file without sending it, in the form of a tree's entry. */
export interface FileHead {
  readonly size?: number;
  /** Where the hub's own tag of a large file came through: it is the SHA-256. */
  readonly lfs?: { readonly oid: string; readonly size: number };
  /** The server's own tag: it proves nothing. */
  readonly etag?: string;
}

/** Asks for the head of a file, through redirects, for servers that list names alone. */
export async function headFile(
  address: URL,
  access: HubAccess,
  transport: Transport,
  signal: AbortSignal | undefined,
): Promise<FileHead> {
  let linked: string | null = null;
  let linkedSize: number | null = null;
  for (let url = address, hop = 0; hop <= MOST_REDIRECTS; hop++) {
    const headers = { ...hubHeaders(url, access), "accept-encoding": "identity" };
    const response = await transport.request(url, { method: "HEAD", headers, signal });
    linked ??= plainEtag(response.headers.get("x-linked-etag"));
    linkedSize ??= wholeNumber(response.headers.get("x-linked-size"));
    const next = redirectOf(response, url, access.endpoint);
    if (next !== null) {
      url = next;
      continue;
    }
    if (!response.ok && linkedSize === null) return {};
    const encoded = response.headers.has("content-encoding");
    const size = linkedSize ?? (encoded ? null : wholeNumber(response.headers.get("content-length")));
    if (size === null) return {};
    const own = plainEtag(response.headers.get("etag")) ?? "";
    const sha256 = [linked ?? "", own].find((tag) => /^[0-9a-f]{64}$/.test(tag));
    if (sha256 !== undefined) return { size, lfs: { oid: sha256, size } };
    return { size, etag: /^[\w-]{1,128}$/.test(own) ? own : `size-${size}` };
  }
  return {};
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

import { plainEtag } from "../range_body.ts";
import type { Transport } from "../transport/transport.ts";
import { followRedirects } from "./follow_redirects.ts";
import { type HubAccess, hubHeaders } from "./hub_fetch.ts";

/** What `HEAD` says about a file, in the form of an entry of a tree. */
interface FileHead {
  readonly size?: number;
  /** If the hub's own tag of a large file was passed on: it is the SHA-256. */
  readonly lfs?: { readonly oid: string; readonly size: number };
  /** The server's own tag, which proves nothing. */
  readonly etag?: string;
}

/** Asks for a file's size and digest, for servers that list only names. */
export async function headFile(
  address: URL,
  access: HubAccess,
  transport: Transport,
  signal: AbortSignal | undefined,
): Promise<FileHead> {
  let linked: string | null = null;
  let linkedSize: number | null = null;
  const { response } = await followRedirects(address, access.endpoint, async (url) => {
    const headers = { ...hubHeaders(url, access), "accept-encoding": "identity" };
    const response = await transport.request(url, { method: "HEAD", headers, signal });
    linked ??= plainEtag(response.headers.get("x-linked-etag"));
    linkedSize ??= wholeNumber(response.headers.get("x-linked-size"));
    return response;
  });
  if (!response.ok && linkedSize === null) return {};
  const encoded = response.headers.has("content-encoding");
  const size = linkedSize ?? (encoded ? null : wholeNumber(response.headers.get("content-length")));
  if (size === null) return {};
  const own = plainEtag(response.headers.get("etag")) ?? "";
  const sha256 = [linked ?? "", own].find((tag) => /^[0-9a-f]{64}$/.test(tag));
  if (sha256 !== undefined) return { size, lfs: { oid: sha256, size } };
  return { size, etag: /^[\w-]{1,128}$/.test(own) ? own : `size-${size}` };
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

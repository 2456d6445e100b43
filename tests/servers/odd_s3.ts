import { createHash } from "node:crypto";

/** How an S3 server differs from Amazon's. */
export interface Oddities {
  /** No ETags in lists, or in no response at all. */
  readonly etags?: "not in lists" | "nowhere";
  /** Version 2 list requests are answered with version 1, or refused. */
  readonly lists?: "version 1" | "version 2 refused";
  /** Keys in lists are not encoded, although the client asks for it. */
  readonly plainKeys?: boolean;
  /** `NextMarker` is the last key without encoding, as Ceph sends it. */
  readonly plainMarkers?: boolean;
  /** Every conditional request is answered with 412. */
  readonly refusesConditions?: boolean;
  /** Requests are redirected (307) to this origin. */
  readonly redirect?: string;
  /** The bucket is in the host name: `models.HOST`. */
  readonly virtualHost?: boolean;
  /** Required headers of requests for objects. */
  readonly demands?: Readonly<Record<string, string>>;
  /** Ranges are ignored. */
  readonly wholeFiles?: boolean;
  /** The body of every list; `#` is replaced by a new number each time. */
  readonly listing?: string;
  /** Status of `listing`. @default {200} */
  readonly status?: number;
}

/** A request as the server received it. */
export interface OddRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
}

/** An S3 endpoint on loopback that differs from Amazon's and does not check signatures. */
export interface OddS3 extends AsyncDisposable {
  readonly url: string;
  readonly requests: OddRequest[];
}

const PAGE = 2;
let answers = 0;

/**
 * Starts the endpoint with one bucket, path-style by default.
 *
 * @param objects Contents by key.
 */
export function startOddS3(
  bucket: string,
  objects: Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
  odd: Oddities,
): OddS3 {
  const requests: OddRequest[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const url = new URL(request.url);
    requests.push({ method: request.method, url, headers: request.headers });
    if (odd.redirect !== undefined) {
      const location = odd.redirect + url.pathname + url.search;
      return new Response(error("TemporaryRedirect"), { status: 307, headers: { location } });
    }
    const inHost = url.hostname.startsWith(`${bucket}.`);
    if (inHost !== (odd.virtualHost === true)) return new Response(error("NoSuchBucket"), { status: 404 });
    const path = inHost
      ? url.pathname.slice(1)
      : url.pathname.slice(1 + encodeURIComponent(bucket).length + 1);
    const key = decodeURIComponent(path);
    return key === "" ? list(url, objects, odd) : read(request, objects[key], odd);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function list(url: URL, objects: Readonly<Record<string, Uint8Array>>, odd: Oddities): Response {
  if (odd.listing !== undefined) {
    return new Response(odd.listing.replaceAll("#", `${++answers}`), { status: odd.status ?? 200 });
  }
  const query = url.searchParams;
  const asked2 = query.get("list-type") === "2";
  if (asked2 && odd.lists === "version 2 refused") {
    return new Response(error("NotImplemented"), { status: 501 });
  }
  const two = asked2 && odd.lists === undefined;
  const after = two ? query.get("continuation-token") : query.get("marker");
  const keys = Object.keys(objects).filter((key) => key.startsWith(query.get("prefix") ?? "")).toSorted()
    .filter((key) => after === null || key > after);
  const page = keys.slice(0, PAGE);
  const truncated = keys.length > PAGE;
  const encode = odd.plainKeys ? escapeXml : (key: string) => encodeURIComponent(key).replaceAll("%2F", "/");
  const contents = page.map((key) => {
    const bytes = objects[key] ?? new Uint8Array();
    const etag = odd.etags === undefined ? `<ETag>&quot;${md5(bytes)}&quot;</ETag>` : "";
    const modified = "<LastModified>2025-01-01T00:00:00.000Z</LastModified>";
    return `<Contents><Key>${encode(key)}</Key>${modified}${etag}<Size>${bytes.length}</Size></Contents>`;
  });
  const next = two && truncated
    ? `<NextContinuationToken>${encode(page.at(-1) ?? "")}</NextContinuationToken>`
    : truncated && odd.plainMarkers
    ? `<NextMarker>${escapeXml(page.at(-1) ?? "")}</NextMarker>`
    : "";
  const type = odd.plainKeys ? "" : "<EncodingType>url</EncodingType>";
  const body = `<ListBucketResult>${type}<IsTruncated>${truncated}</IsTruncated>${next}${
    contents.join("")
  }</ListBucketResult>`;
  return new Response(body, { headers: { "content-type": "application/xml" } });
}

function read(request: Request, bytes: Uint8Array<ArrayBuffer> | undefined, odd: Oddities): Response {
  if (bytes === undefined) return new Response(error("NoSuchKey"), { status: 404 });
  for (const [name, value] of Object.entries(odd.demands ?? {})) {
    if (request.headers.get(name) !== value) return new Response(error("InvalidRequest"), { status: 400 });
  }
  const etag = `"${md5(bytes)}"`;
  const match = request.headers.get("if-match");
  if (match !== null && (odd.refusesConditions || match !== etag)) {
    return new Response(error("PreconditionFailed"), { status: 412 });
  }
  const headers = new Headers(odd.etags === "nowhere" ? {} : { etag });
  const range = odd.wholeFiles ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
  const [start, end] = range === null
    ? [0, bytes.length]
    : [Number(range[1]), Math.min(Number(range[2] || Infinity) + 1, bytes.length)];
  headers.set("content-length", `${end - start}`);
  if (range !== null) headers.set("content-range", `bytes ${start}-${end - 1}/${bytes.length}`);
  const body = request.method === "HEAD" ? null : bytes.slice(start, end);
  return new Response(body, { status: range === null ? 200 : 206, headers });
}

function error(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as told</Message></Error>`;
}

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

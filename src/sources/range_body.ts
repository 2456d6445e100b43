import { AimError } from "../errors/aim_error.ts";
import type { ByteRange, ManifestFile } from "./manifest.ts";
import { type RangeBody, SourceChangedError, TransientError } from "./source.ts";
import { readStart } from "./transport/read_bounded.ts";

/** The `Range` header for a range; none for a complete file. */
export function rangeHeader(range: ByteRange | null): Readonly<Record<string, string>> {
  return range === null ? {} : { range: `bytes=${range.start}-${range.end - 1}` };
}

/**
 * Checks that a response has the requested range of a file, and the manifest's size and ETag. Returns its
 * body.
 *
 * @param etag The response's ETag; `null` if it cannot be compared with the manifest's.
 * @throws {SourceChangedError} a different ETag or total size.
 * @throws {TransientError} a response that contradicts itself or the request.
 */
export async function rangeBody(
  response: Response,
  file: ManifestFile,
  range: ByteRange | null,
  etag: string | null,
): Promise<RangeBody> {
  const fault = await otherContent(response, file) ?? faultOf(response, file, range, etag);
  if (fault !== null) {
    await response.body?.cancel().catch(() => {});
    throw fault;
  }
  const complete = response.status !== 206 || range === null;
  return {
    range: complete ? { start: 0, end: file.size } : range,
    body: decoded(response) ?? new Blob().stream(),
  };
}

/** Decodes a body whose encoding was not requested: `fetch` does not do so if `accept-encoding` is set. */
function decoded(response: Response): ReadableStream<Uint8Array> | null {
  const encoding = response.headers.get("content-encoding")?.trim().toLowerCase().replace(/^x-/, "");
  const format = (["gzip", "deflate"] as const).find((one) => one === encoding);
  return format === undefined
    ? response.body
    : response.body?.pipeThrough(new DecompressionStream(format)) ?? null;
}

/** The error if a login portal's page, or JSON, came with status 200 instead of the file. */
async function otherContent(response: Response, { path, size }: ManifestFile): Promise<Error | null> {
  const type = /^(?:text\/(html)|application\/(json))\b/i.exec(response.headers.get("content-type") ?? "");
  const kind = (type?.[1] ?? type?.[2])?.toLowerCase();
  const expected = kind === "html" ? /\.html?$/i : /\.(?:json|ipynb)$/i;
  if (response.status !== 200 || kind === undefined || expected.test(path)) return null;
  const length = response.headers.get("content-length");
  if (response.headers.has("content-encoding") || (length !== null && Number(length) === size)) return null;
  const start = await readStart(response, 4096);
  const said = /<title[^>]*>([^<]{1,100})/i.exec(start)?.[1] ?? (kind === "json" ? start.slice(0, 200) : "");
  const quoted = said.trim() === "" ? "" : ` (${JSON.stringify(said.trim())})`;
  const what = kind === "html" ? "a web page" : "JSON";
  return new AimError("network", `the server returned ${what}${quoted} instead of ${path}`, {
    hint: "check the address, its path, and whether a proxy or a login portal intercepts requests",
  });
}

/** An ETag without quotes and `W/`; `null` without a header. */
export function plainEtag(header: string | null): string | null {
  return header === null ? null : header.trim().replace(/^W\//, "").replace(/^"(.*)"$/, "$1");
}

function faultOf(
  response: Response,
  file: ManifestFile,
  range: ByteRange | null,
  etag: string | null,
): Error | null {
  const { path, size } = file;
  const wrong = (text: string) => new TransientError(`the server's response for ${path} is wrong: ${text}`);
  if (etag !== null && etag !== file.etag) {
    return new SourceChangedError(`${path} has ETag ${etag}, it was ${file.etag}`);
  }
  const encoded = response.headers.has("content-encoding");
  const announced = encoded ? null : response.headers.get("content-length");
  const length = announced === null ? null : Number(announced);
  if (response.status === 200) {
    if (length === null || length === size) return null;
    // With the same ETag, the size cannot have changed: the response is wrong.
    if (etag !== null) return wrong(`${length} bytes of ${size}`);
    return new SourceChangedError(`${path} has ${length} bytes, it had ${size}`);
  }
  if (response.status !== 206) return wrong(`status ${response.status}`);
  if (encoded) return wrong("a range of encoded bytes");
  const header = response.headers.get("content-range");
  const parsed = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header?.trim() ?? "");
  if (parsed === null) return wrong(`Content-Range ${header ?? "is missing"}`);
  const [, first, last, total] = parsed;
  if (total !== "*" && Number(total) !== size) {
    return new SourceChangedError(`${path} has ${total} bytes, it had ${size}`);
  }
  const { start, end } = range ?? { start: 0, end: size };
  if (Number(first) !== start || Number(last) !== end - 1) {
    return wrong(`Content-Range ${header} instead of bytes ${start}-${end - 1}`);
  }
  return length === null || length === end - start ? null : wrong(`${length} bytes of ${end - start}`);
}

import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { AimError } from "../../errors/aim_error.ts";
import type { Transport } from "../transport/transport.ts";

/** A request of the SDK. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: BodyInit | null;
}

/** Sends the SDK's requests through aim's transport: with its proxies, certificates and retries. */
export function requestHandler(transport: Transport): NonNullable<S3ClientConfig["requestHandler"]> {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: SdkRequest, options?: { abortSignal?: unknown }) {
      const url = urlOf(request);
      const response = await transport.request(url, {
        method: request.method,
        headers: headersOf(request),
        body: request.body ?? null,
        signal: options?.abortSignal instanceof AbortSignal ? options.abortSignal : undefined,
      });
      const { status, statusText } = response;
      const text = await response.text();
      const fault = foreignAnswer(request, status, text);
      if (fault !== null) throw new AimError("network", `${url.host} ${fault[0]}`, { hint: fault[1] });
      const headers = Object.fromEntries(response.headers);
      // A proxy's error page is not an answer of S3.
      const body = new Blob([status < 300 || text.includes("<Code>") ? text : ""]).stream();
      return { response: { statusCode: status, reason: statusText, headers, body } };
    },
  } as NonNullable<S3ClientConfig["requestHandler"]>;
}

/** What is wrong with an answer that is not from S3, and a hint; `null` for any other. */
function foreignAnswer(
  { method }: SdkRequest,
  status: number,
  text: string,
): [fault: string, hint: string] | null {
  if (status === 400 && /\bHTTPS\b/.test(text)) {
    return ["expects https, and the address has http", "use https:// in the address"];
  }
  // The SDK uses GET only for lists.
  if (method !== "GET" || status >= 300 || text.includes("ListBucketResult")) return null;
  const what = /<html|<!doctype html/i.test(text) ? "a web page" : "something else";
  return [
    `answers with ${what} instead of a list of objects`,
    "check AWS_ENDPOINT_URL: this is not an S3 endpoint, or a portal answers in its place",
  ];
}

function urlOf(request: SdkRequest): URL {
  const { protocol, hostname, port, path } = request;
  const pairs = Object.entries(request.query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${escapeUri(name)}=${escapeUri(one ?? "")}`)
  );
  const query = pairs.length > 0 ? `?${pairs.join("&")}` : "";
  return new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}${query}`);
}

function headersOf(request: SdkRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    // fetch sets these from the address and the body.
    if (!["host", "content-length"].includes(name.toLowerCase())) headers.set(name, value);
  }
  return headers;
}

/** Percent-encodes all characters that AWS signatures reserve: more than `encodeURIComponent`. */
export function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

import type { S3ClientConfig } from "@aws-sdk/client-s3";
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

/** Sends the SDK's requests for credentials through aim's transport: with its proxies, certificates and retries. */
export function requestHandler(transport: Transport): NonNullable<S3ClientConfig["requestHandler"]> {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: SdkRequest, options?: { abortSignal?: unknown }) {
      const response = await transport.request(urlOf(request), {
        method: request.method,
        headers: headersOf(request),
        body: request.body ?? null,
        signal: options?.abortSignal instanceof AbortSignal ? options.abortSignal : undefined,
      });
      const { status, statusText } = response;
      const headers = Object.fromEntries(response.headers);
      return { response: { statusCode: status, reason: statusText, headers, body: response.body } };
    },
  } as NonNullable<S3ClientConfig["requestHandler"]>;
}

function urlOf({ protocol, hostname, port, path, query = {} }: SdkRequest): URL {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => [name, one ?? ""] as const)
  );
  const host = port === undefined ? hostname : `${hostname}:${port}`;
  return new URL(`${protocol}//${host}${path}${queryText(pairs)}`);
}

function headersOf(request: SdkRequest): Headers {
  const headers = new Headers(request.headers);
  // fetch sets these from the address and the body.
  headers.delete("host");
  headers.delete("content-length");
  return headers;
}

/** A query in the form that AWS signatures have it, with the `?`; empty without parameters. */
export function queryText(parameters: readonly (readonly [name: string, value: string])[]): string {
  const pairs = parameters.map(([name, value]) => `${escapeUri(name)}=${escapeUri(value)}`);
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

/** Percent-encodes all characters that AWS signatures reserve: more than `encodeURIComponent`. */
export function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

import type { S3ClientConfig } from "@aws-sdk/client-s3";
import type { Transport } from "../transport/transport.ts";

/** A request as the SDK hands it over. */
export interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: BodyInit | null;
}

/**
 * Sends the SDK's requests through aim's transport, so that proxies, certificates and retries are the same for all.
 *
 * @param seen Told of each request before it is sent; may throw.
 */
export function requestHandler(
  transport: Transport,
  seen: (request: SdkRequest) => void = () => {},
): NonNullable<S3ClientConfig["requestHandler"]> {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: SdkRequest, options?: { abortSignal?: unknown }) {
      seen(request);
      const response = await transport.request(urlOf(request), {
        method: request.method,
        headers: headersOf(request),
        body: request.body ?? null,
        signal: options?.abortSignal instanceof AbortSignal ? options.abortSignal : undefined,
      });
      return {
        response: {
          statusCode: response.status,
          reason: response.statusText,
          headers: Object.fromEntries(response.headers),
          body: response.body ?? new Blob([]).stream(),
        },
      };
    },
  } as NonNullable<S3ClientConfig["requestHandler"]>;
}

function urlOf(request: SdkRequest): URL {
  const port = request.port === undefined ? "" : `:${request.port}`;
  const pairs = Object.entries(request.query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${escapeUri(name)}=${escapeUri(one ?? "")}`)
  );
  return new URL(
    `${request.protocol}//${request.hostname}${port}${request.path}${
      pairs.length > 0 ? `?${pairs.join("&")}` : ""
    }`,
  );
}

function headersOf(request: SdkRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    // fetch sets these from the address and the body.
    if (!["host", "content-length"].includes(name.toLowerCase())) headers.set(name, value);
  }
  return headers;
}

/** Percent-encodes what AWS signatures count as reserved: more than `encodeURIComponent` does. */
export function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

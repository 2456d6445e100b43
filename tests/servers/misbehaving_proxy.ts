// An HTTP proxy in front of a server that cannot inject faults itself (Ceph): supports all faults of
// faults.ts except `ignore-range`.
import type { Fault, SeenRequest } from "./faults.ts";
import { type HttpReply, type HttpRequest, type HttpServer, serveHttp } from "./http_server.ts";
import { classifyS3 } from "./s3_server.ts";

export interface MisbehavingProxy extends AsyncDisposable {
  readonly url: string;
  readonly faults: Fault[];
  readonly requests: SeenRequest[];
  close(): Promise<void>;
}

/**
 * Starts a proxy in front of an S3 endpoint such as `http://127.0.0.1:7480`. Signatures stay valid, because
 * the `Host` header is passed on.
 */
export function startMisbehavingProxy(target: string, options: { seed?: number } = {}): MisbehavingProxy {
  const faults: Fault[] = [];
  const requests: SeenRequest[] = [];
  const client = Deno.createHttpClient({ allowHost: true });
  const server: HttpServer = serveHttp({
    faults,
    requests,
    seed: options.seed ?? 1,
    classify: classifyS3,
    handle: (request) => relay(target, request, client),
  });
  const close = async () => {
    await server.close();
    client.close();
  };
  return { url: server.url, faults, requests, close, [Symbol.asyncDispose]: close };
}

async function relay(target: string, request: HttpRequest, client: Deno.HttpClient): Promise<HttpReply> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request.body) pieces.push(piece.slice());
  const headers = new Headers(request.headers);
  for (const name of ["connection", "expect", "transfer-encoding", "content-length"]) headers.delete(name);
  // Otherwise fetch would ask for compression.
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
  const response = await fetch(target + request.target, {
    method: request.method,
    headers,
    redirect: "manual",
    client,
    ...(pieces.length === 0 ? {} : { body: new Blob(pieces as BlobPart[]) }),
  });
  const found = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  const length = Number(response.headers.get("content-length") ?? NaN);
  const kept = new Headers(response.headers);
  for (const name of ["connection", "transfer-encoding", "keep-alive"]) kept.delete(name);
  const relayed = { status: response.status, headers: kept, start: Number(found?.[1] ?? 0) };
  if (request.method === "HEAD") {
    await response.body?.cancel();
    return { ...relayed, relay: response.body ?? none(), length: length || 0, total: length || 0 };
  }
  if (Number.isNaN(length)) {
    const body = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: Object.fromEntries(kept), body };
  }
  return { ...relayed, relay: response.body ?? none(), length, total: Number(found?.[2] ?? length) };
}

async function* none(): AsyncGenerator<Uint8Array> {}

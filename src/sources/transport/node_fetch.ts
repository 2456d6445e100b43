import { nodeModule } from "../../os/node_module.ts";

/**
 * A `fetch` with Node's TLS, which accepts a server's certificate that is itself one of the trusted ones, as
 * OpenSSL does: the self-signed certificate of an appliance, with the mark of an authority. Slower than the runtime's.
 *
 * @param caCerts PEM; nothing else is trusted.
 * @param verifyTls If false, any certificate is accepted.
 */
export async function nodeFetch(
  url: URL,
  init: RequestInit,
  caCerts: readonly string[],
  verifyTls: boolean,
): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const outgoing = nodeModule("node:https").request(url, {
    agent: false,
    method: init.method ?? "GET",
    headers: Object.fromEntries(new Headers(init.headers)),
    ...(init.signal == null ? {} : { signal: init.signal }),
    // Without a list, Node reads the system's authorities, which needs a permission of its own.
    ca: [...caCerts],
    rejectUnauthorized: verifyTls,
  }, (incoming) => {
    const headers = new Headers();
    for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
      headers.append(incoming.rawHeaders[at] ?? "", incoming.rawHeaders[at + 1] ?? "");
    }
    const status = incoming.statusCode ?? 0;
    const isEmpty = init.method === "HEAD" || [204, 205, 304].includes(status);
    if (isEmpty) incoming.resume();
    const { Readable } = nodeModule("node:stream");
    const body = isEmpty ? null : Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>;
    resolve(new Response(body, { status, headers }));
  });
  outgoing.on("error", reject);
  outgoing.end(typeof init.body === "string" || init.body instanceof Uint8Array ? init.body : undefined);
  return await promise;
}

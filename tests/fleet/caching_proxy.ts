// A forward proxy that caches like Dragonfly's agent: it downloads a file once for any number of range
// requests. The cache key is the URL without its query, which is a changing signature.
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface CachingProxy extends AsyncDisposable {
  /** For `HTTP_PROXY`. */
  readonly url: string;
  /** Number of range requests answered with the complete file. */
  readonly wholeAnswers: number;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

/**
 * Starts one on 127.0.0.1.
 *
 * @param options.kept Whether a URL's file is cached.
 * @param options.ranges Honour range requests; if false, answer with the complete file.
 */
export async function startCachingProxy(
  options: { readonly kept: (url: URL) => boolean; readonly ranges: boolean },
): Promise<CachingProxy> {
  const files = new Map<string, Promise<Answer>>();
  let wholeAnswers = 0;

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const url = new URL(incoming.url ?? "");
    const { range, ...headers } = incoming.headers;
    if (!options.kept(url)) return send(outgoing, await ask(url, { ...headers, ...(range && { range }) }));
    const key = url.origin + url.pathname;
    const file = files.get(key) ?? ask(url, headers);
    files.set(key, file);
    const answer = await file;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (answer.status !== 200) files.delete(key);
    if (answer.status !== 200 || first === undefined || !options.ranges) {
      if (first !== undefined && answer.status === 200) wholeAnswers++;
      return send(outgoing, answer);
    }
    const body = answer.body.subarray(Number(first), Number(last) + 1);
    const contentRange = `bytes ${first}-${Number(first) + body.length - 1}/${answer.body.length}`;
    const kept = { ...answer.headers, "content-length": `${body.length}`, "content-range": contentRange };
    send(outgoing, { status: 206, headers: kept, body });
  };
  const server = createServer((incoming, outgoing) => {
    outgoing.on("error", () => {});
    serve(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get wholeAnswers() {
      return wholeAnswers;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function send(outgoing: ServerResponse, { status, headers, body }: Answer): void {
  outgoing.writeHead(status, headers);
  outgoing.end(body);
}

function ask(url: URL, headers: Answer["headers"]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { ...headers, connection: "close" } }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { connection: _, "transfer-encoding": __, ...kept } = response.headers;
        resolve({ status: response.statusCode ?? 502, headers: kept, body: concat(chunks) });
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

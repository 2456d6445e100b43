import { assert, assertEquals, assertRejects } from "@std/assert";
import { DirectClient } from "../../src/sources/transport/direct_client.ts";

/** A server that answers each request on each connection with the next text; `null` closes the connection. */
function scripted(answers: readonly (string | null)[]) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const rest = answers.values();
  const requests: string[] = [];
  let connections = 0;
  const serve = async (conn: Deno.Conn) => {
    const buffer = new Uint8Array(4096);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      requests.push(new TextDecoder("latin1").decode(buffer.subarray(0, n)));
      const answer = rest.next().value ?? null;
      if (answer === null) break;
      await conn.write(new TextEncoder().encode(answer));
    }
    conn.close();
  };
  const accepting = (async () => {
    for await (const conn of listener) {
      connections++;
      void serve(conn).catch(() => {});
    }
  })();
  return {
    url: new URL(`http://127.0.0.1:${listener.addr.port}/a%20b?x=1`),
    requests,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
    },
  };
}

function directClient() {
  const client = new DirectClient([], 4);
  return {
    get: (url: URL, headers: HeadersInit = {}, signal?: AbortSignal) =>
      client.get(url, new Headers(headers), signal),
    [Symbol.dispose]: () => client.close(),
  };
}

const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\n\r\nhello';

Deno.test("a connection carries one request after another, with the given headers", async () => {
  await using server = scripted([HELLO, HELLO]);
  using client = directClient();
  for (const range of ["bytes=0-4", "bytes=5-9"]) {
    const response = await client.get(server.url, { range, "x-name": "\u00fc" });
    assertEquals([response?.status, response?.headers.get("etag"), response?.url], [
      200,
      '"e"',
      server.url.href,
    ]);
    assertEquals(await response?.text(), "hello");
  }
  assertEquals(server.connections(), 1);
  assert(server.requests[1]?.startsWith("GET /a%20b?x=1 HTTP/1.1\r\n"), server.requests[1]);
  assert(/\r\nrange: bytes=5-9\r\n/i.test(server.requests[1] ?? ""), server.requests[1]);
  assert(server.requests[1]?.includes("x-name: \u00fc\r\n"), server.requests[1]);
});

Deno.test("an idle connection that the server has closed is replaced", async () => {
  await using server = scripted([HELLO, null, HELLO]);
  using client = directClient();
  for (let n = 0; n < 2; n++) assertEquals(await (await client.get(server.url))?.text(), "hello");
  assertEquals(server.connections(), 2);
});

Deno.test("a connection that the server wants closed, of HTTP/1.0, or with an unread body is not used again", async () => {
  for (const head of ["HTTP/1.1 200 OK\r\nConnection: keep, Close", "HTTP/1.0 200 OK\r\nA: b"]) {
    await using server = scripted([`${head}\r\nContent-Length: 2\r\n\r\nok`, HELLO]);
    using client = directClient();
    assertEquals(await (await client.get(server.url))?.text(), "ok");
    assertEquals(await (await client.get(server.url))?.text(), "hello");
    assertEquals(server.connections(), 2, head);
  }
  await using server = scripted(["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", HELLO]);
  using client = directClient();
  await (await client.get(server.url))?.body?.cancel();
  assertEquals(await (await client.get(server.url))?.text(), "hello");
  assertEquals(server.connections(), 2);
});

Deno.test("responses that are not plain bytes of a known length are left to fetch, and so is their server", async () => {
  for (
    const answer of [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
      "HTTP/1.1 200 OK\r\n\r\nhello",
      "HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "SSH-2.0-server\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more than that",
      `HTTP/1.1 200 OK\r\nA: ${"x".repeat(40_000)}`,
    ]
  ) {
    await using server = scripted([answer, HELLO]);
    using client = directClient();
    assertEquals(await client.get(server.url), null, answer.slice(0, 80));
    assertEquals(await client.get(server.url), null, answer.slice(0, 80));
    assertEquals(server.requests.length, 1);
  }
});

Deno.test("a host that cannot be reached is left to fetch", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  using client = directClient();
  assertEquals(await client.get(new URL(`http://127.0.0.1:${port}/`)), null);
});

Deno.test("a response that ends within its head or body is an error, not a short file", async () => {
  for (
    const answer of ["HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"]
  ) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      using conn = await listener.accept();
      await conn.read(new Uint8Array(4096));
      await conn.write(new TextEncoder().encode(answer));
    })();
    using client = directClient();
    const url = new URL(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`);
    await assertRejects(async () => await (await client.get(url))?.text(), Error, "connection closed before");
    await serving;
    listener.close();
  }
});

Deno.test("a response that announces another is skipped; no content has no body", async () => {
  await using server = scripted([
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${HELLO}`,
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    HELLO,
  ]);
  using client = directClient();
  assertEquals(await (await client.get(server.url))?.text(), "hello");
  assertEquals([(await client.get(server.url))?.body, server.connections()], [null, 1]);
  assertEquals(await (await client.get(server.url))?.text(), "hello");
});

Deno.test("an abort ends a request and a body with the signal's reason or an error", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = new URL(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`);
  const reason = new Error("enough");
  for (const answer of ["", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"]) {
    const abort = new AbortController();
    const serving = (async () => {
      using conn = await listener.accept();
      const buffer = new Uint8Array(4096);
      await conn.read(buffer);
      await conn.write(new TextEncoder().encode(answer));
      if (answer === "") abort.abort(reason);
      // Until the client closes.
      await conn.read(buffer).catch(() => null);
    })();
    using client = directClient();
    if (answer === "") {
      assertEquals(await client.get(url, {}, abort.signal).catch((error) => error), reason);
    } else {
      const reader = (await client.get(url, {}, abort.signal))?.body?.getReader({ mode: "byob" });
      const first = await reader?.read(new Uint8Array(5));
      assertEquals(new TextDecoder().decode(first?.value), "hello");
      const second = reader?.read(new Uint8Array(5));
      abort.abort(reason);
      await assertRejects(() => second ?? Promise.resolve());
    }
    await serving;
  }
  listener.close();
});

Deno.test("large bodies arrive complete, into buffers of any size", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const large = new Uint8Array(300_000).map((_, n) => bytes[n % bytes.length] ?? 0);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(large),
  );
  using client = directClient();
  for (const size of [1000, 100_000, 1_000_000]) {
    const reader = (await client.get(new URL(`http://127.0.0.1:${server.addr.port}/`)))?.body
      ?.getReader({ mode: "byob" });
    const read: Uint8Array[] = [];
    for (
      let next = await reader?.read(new Uint8Array(size));
      next?.value?.length;
      next = await reader?.read(new Uint8Array(size))
    ) {
      read.push(next.value);
    }
    assertEquals(await new Blob(read as BlobPart[]).bytes(), large);
  }
});

Deno.test("idle connections are kept up to the limit, and none after close", async () => {
  let open = 0;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = new URL(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`);
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      open++;
      serving.push((async () => {
        const buffer = new Uint8Array(4096);
        while (await conn.read(buffer) !== null) await conn.write(new TextEncoder().encode(HELLO));
        conn.close();
        open--;
      })());
    }
  })();
  const client = directClient();
  const responses = await Promise.all(Array.from({ length: 6 }, () => client.get(url)));
  assertEquals(open, 6);
  for (const response of responses) await response?.text();
  while (open > 4) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(open, 4);
  client[Symbol.dispose]();
  await Promise.all(serving);
  assertEquals(open, 0);
  listener.close();
  await accepting;
});

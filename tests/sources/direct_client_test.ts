import { assert, assertEquals, assertRejects } from "@std/assert";
import { DirectClient } from "../../src/sources/transport/direct_client.ts";
import type { EnvProxy } from "../../src/sources/transport/proxies.ts";
import { makeCertificates } from "../servers/certificates.ts";

/** A server that answers each request, on any connection, with the next text; `null` closes it. */
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

function directClient(proxy: EnvProxy | null = null, caCerts: readonly string[] = []) {
  const client = new DirectClient(caCerts, 4);
  return {
    get: (url: URL, headers: Record<string, string> = {}, signal: AbortSignal | null = null) =>
      client.send(url, { method: "GET", headers, body: null, signal }, proxy),
    head: (url: URL) => client.send(url, { method: "HEAD", headers: {}, body: null, signal: null }, proxy),
    [Symbol.dispose]: () => client.close(),
  };
}

const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\n\r\nhello';

Deno.test("a connection is reused for several requests, with the given headers", async () => {
  await using server = scripted([HELLO, HELLO]);
  using client = directClient();
  for (const range of ["bytes=0-4", "bytes=5-9"]) {
    const response = await client.get(server.url, { range });
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
  assertEquals(await client.get(server.url, { "x-name": "\u00fc" }), null);
});

Deno.test("an idle connection that the server has closed is replaced", async () => {
  await using server = scripted([HELLO, null, HELLO]);
  using client = directClient();
  for (let n = 0; n < 2; n++) assertEquals(await (await client.get(server.url))?.text(), "hello");
  assertEquals(server.connections(), 2);
});

Deno.test("bytes that arrive on an idle connection are not used as the next response", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      held.push(conn);
      await conn.read(new Uint8Array(4096));
      await conn.write(new TextEncoder().encode(HELLO));
      if (held.length > 1) continue;
      // Sends more than Content-Length after a short delay.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await conn.write(new TextEncoder().encode(HELLO.replace("hello", "wrong")));
    }
  })();
  const url = new URL(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`);
  using client = directClient();
  assertEquals(await (await client.get(url))?.text(), "hello");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assertEquals(await (await client.get(url))?.text(), "hello");
  assertEquals(held.length, 2);
  listener.close();
  await accepting;
  for (const conn of held) conn.close();
});

Deno.test("a connection with Connection: close, HTTP/1.0 or an unread body is not reused", async () => {
  for (const head of ["HTTP/1.1 200 OK\r\nConnection: keep, Close", "HTTP/1.0 200 OK\r\nA: b"]) {
    await using server = scripted([`${head}\r\nContent-Length: 2\r\n\r\nok`, HELLO]);
    using client = directClient();
    assertEquals(await (await client.get(server.url))?.text(), "ok");
    assertEquals(await (await client.get(server.url))?.text(), "hello");
    assertEquals(server.connections(), 2, head);
  }
  await using server = scripted(["HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nhello", HELLO]);
  using client = directClient();
  await (await client.get(server.url))?.body?.cancel();
  assertEquals(await (await client.get(server.url))?.text(), "hello");
  assertEquals(server.connections(), 2);
});

Deno.test("responses other than plain bytes of a known length are left to fetch, and so is their server from then on", async () => {
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

Deno.test("each byte of a header becomes one character, as in fetch", async () => {
  // `TextDecoder` reads latin1 as windows-1252, with characters that headers cannot contain.
  await using server = scripted([
    'HTTP/1.1 200 OK\r\nX-Name: "\u65e5\u2014\u00fc"\r\nContent-Length: 2\r\n\r\nok',
  ]);
  using client = directClient();
  const response = await client.get(server.url);
  const expected = String.fromCharCode(...new TextEncoder().encode('"\u65e5\u2014\u00fc"'));
  assertEquals([response?.headers.get("x-name"), await response?.text()], [expected, "ok"]);
});

Deno.test("an error response of unknown length is returned without its body, and the server is still used directly", async () => {
  const refusal =
    "HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n";
  await using server = scripted([refusal, HELLO]);
  using client = directClient();
  const response = await client.get(server.url);
  assertEquals([response?.status, response?.headers.get("retry-after"), response?.body], [503, "5", null]);
  assertEquals(await (await client.get(server.url))?.text(), "hello");
  assertEquals([server.requests.length, server.connections()], [2, 2]);
});

Deno.test("an unreachable host is left to fetch", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  using client = directClient();
  assertEquals(await client.get(new URL(`http://127.0.0.1:${port}/`)), null);
});

Deno.test("a response that ends inside its head or body is an error, not a short file", async () => {
  for (
    const answer of ["Content-Le", "Content-Length: 6\r\n\r\nhello", "Content-Length: 99999\r\n\r\nhello"]
  ) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      using conn = await listener.accept();
      await conn.read(new Uint8Array(4096));
      await conn.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${answer}`));
    })();
    using client = directClient();
    const url = new URL(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`);
    await assertRejects(async () => await (await client.get(url))?.text(), Error, "connection closed before");
    await serving;
    listener.close();
  }
});

Deno.test("1xx responses are skipped, and a 304 response has no body", async () => {
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

Deno.test("an abort ends a request with the signal's reason, and a body with an error", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = new URL(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`);
  const reason = new Error("enough");
  const head = "HTTP/1.1 200 OK\r\nContent-Length:";
  for (const answer of ["", `${head} 50\r\n\r\nhello`, `${head} 99999\r\n\r\nhello`]) {
    const isLarge = answer.includes("99999");
    const abort = new AbortController();
    const serving = (async () => {
      using conn = await listener.accept();
      const buffer = new Uint8Array(4096);
      await conn.read(buffer);
      await conn.write(new TextEncoder().encode(answer));
      if (!isLarge) abort.abort(reason);
      // Waits until the client closes the connection.
      await conn.read(buffer).catch(() => null);
    })();
    using client = directClient();
    if (!isLarge) {
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

Deno.test("an abort at any time after connecting ends a request that is never answered", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const conn of listener) held.push(conn);
  })();
  const url = new URL(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`);
  const { connect } = Deno;
  try {
    for (let steps = 0; steps < 10; steps++) {
      const abort = new AbortController();
      const later = async () => {
        for (let n = 0; n < steps; n++) await Promise.resolve();
        abort.abort(new Error("mine"));
      };
      Reflect.set(Deno, "connect", (options: Deno.ConnectOptions) => {
        const opening = connect(options);
        void opening.then(later);
        return opening;
      });
      using client = directClient();
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => late.reject(new Error("hangs")), 5_000);
      await assertRejects(
        () => Promise.race([client.get(url, {}, abort.signal), late.promise]),
        Error,
        "mine",
      );
      clearTimeout(timer);
    }
  } finally {
    Reflect.set(Deno, "connect", connect);
    listener.close();
    await accepting;
    for (const conn of held) conn.close();
  }
});

Deno.test("large bodies are read completely into buffers of any size", async () => {
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

Deno.test("idle connections are kept up to the limit, and all are closed on disposal", async () => {
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

Deno.test("a response to HEAD has headers and no body", async () => {
  await using server = scripted(["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HELLO]);
  using client = directClient();
  const response = await client.head(server.url);
  assertEquals([response?.headers.get("content-length"), response?.body], ["5", null]);
  assertEquals(await (await client.get(server.url))?.text(), "hello");
  assert(server.requests[0]?.startsWith("HEAD /a%20b?x=1 HTTP/1.1\r\n"), server.requests[0]);
  assertEquals(server.connections(), 1);
});

Deno.test("all http servers share the connections to an HTTP proxy, which gets absolute URLs and its password", async () => {
  await using server = scripted([HELLO, HELLO]);
  const proxy = {
    variable: "HTTP_PROXY",
    url: server.url.origin,
    basicAuth: { username: "me", password: "p:w\u20ac" },
  };
  using client = directClient(proxy);
  for (const host of ["a.example", "b.example:81"]) {
    assertEquals(await (await client.get(new URL(`http://${host}/x?y=1`)))?.text(), "hello");
  }
  assertEquals(server.connections(), 1);
  assert(server.requests[1]?.startsWith("GET http://b.example:81/x?y=1 HTTP/1.1\r\nhost: b.example:81\r\n"));
  assert(
    server.requests[1]?.includes(
      `proxy-authorization: Basic ${new TextEncoder().encode("me:p:w\u20ac").toBase64()}\r\n`,
    ),
  );
});

Deno.test("SOCKS, TLS within TLS, a proxy that refuses CONNECT and a URL with a password are left to fetch", async () => {
  await using server = scripted(["HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"]);
  const proxied = { variable: "HTTPS_PROXY", url: server.url.origin, basicAuth: null };
  const secure = new URL("https://a.example/");
  for (
    const [url, proxy] of [
      [new URL("http://a.example/"), { ...proxied, url: "socks5://127.0.0.1:1" }],
      [secure, { ...proxied, url: "https://127.0.0.1:1" }],
      [secure, proxied],
      [new URL("http://me:secret@a.example/"), proxied],
    ] as const
  ) {
    using client = directClient(proxy);
    assertEquals(await client.get(url), null, `${url} ${proxy.url}`);
  }
  assertEquals(server.requests.length, 1);
  assert(server.requests[0]?.startsWith("CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n"));
});

const certificates = await makeCertificates();

Deno.test({
  name: `the limit of tunnels through a proxy applies to all TLS servers together, and tunnels are reused${
    "skip" in certificates ? ` (skipped: ${certificates.skip})` : ""
  }`,
  ignore: "skip" in certificates,
  async fn() {
    if ("skip" in certificates) return;
    const { caPath, tls } = certificates;
    const serve = () =>
      Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, ...tls }, () => new Response("hello"));
    await using one = serve();
    await using other = serve();
    let open = 0, tunnels = 0;
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepting = (async () => {
      for await (const conn of listener) {
        open++;
        tunnels++;
        void (async () => {
          const buffer = new Uint8Array(16_384);
          const count = await conn.read(buffer) ?? 0;
          const [, port] =
            /^CONNECT 127\.0\.0\.1:(\d+) /.exec(new TextDecoder().decode(buffer.subarray(0, count))) ?? [];
          const upstream = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
          await conn.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
          upstream.readable.pipeTo(conn.writable).catch(() => {});
          for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
            await upstream.write(buffer.subarray(0, n));
          }
          open--;
          upstream.close();
        })().catch(() => open--);
      }
    })();
    const url = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    const client = directClient({ variable: "HTTPS_PROXY", url, basicAuth: null }, [
      await Deno.readTextFile(caPath),
    ]);
    const fetchFrom = async (server: Deno.HttpServer<Deno.NetAddr>, count: number) => {
      const all = Array.from(
        { length: count },
        () => client.get(new URL(`https://127.0.0.1:${server.addr.port}/`)),
      );
      const texts = await Promise.all((await Promise.all(all)).map((response) => response?.text()));
      assertEquals(texts, Array<string>(count).fill("hello"));
    };
    await fetchFrom(one, 4);
    await fetchFrom(one, 4);
    assertEquals(tunnels, 4);
    await fetchFrom(other, 2);
    await fetchFrom(one, 2);
    await fetchFrom(other, 2);
    assertEquals(tunnels, 6);
    // Closing a TLS connection is not instant.
    while (open > 4) await new Promise((resolve) => setTimeout(resolve, 1));
    assertEquals(open, 4);
    client[Symbol.dispose]();
    listener.close();
    await accepting;
    await certificates[Symbol.asyncDispose]();
  },
});

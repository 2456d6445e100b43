import { assert, assertEquals, assertRejects } from "@std/assert";
import { directHttp } from "../../src/sources/transport/direct_http.ts";
import { TransientError } from "../../src/sources/source.ts";

/** Answers each request on each connection with the next text; `null` closes the connection instead. */
function scripted(answers: readonly (string | null)[]) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const rest = answers.values();
  const requests: string[] = [];
  let connections = 0;
  const serve = async (conn: Deno.Conn) => {
    const buffer = new Uint8Array(4096);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      requests.push(new TextDecoder().decode(buffer.subarray(0, n)));
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

function client(env: Record<string, string> = {}) {
  const http = directHttp({ env, caCerts: [], connections: 4, longestGap: 100 });
  return {
    get: (url: URL, headers: Record<string, string>, signal: AbortSignal | undefined, bytes = 5) =>
      http.get(url, { headers, signal, bytes }),
    /** The texts of answers to requests sent together. */
    async texts(urls: readonly URL[], signal?: AbortSignal): Promise<string[]> {
      const texts: string[] = [];
      for await (const answer of http.getAll(urls.map((url) => ({ url, headers: {} })), signal)) {
        texts.push(await answer.text());
      }
      return texts;
    },
    getAll: http.getAll,
    [Symbol.dispose]: () => http.close(),
  };
}

const none = {};
const hello = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\n\r\nhello';

Deno.test("a connection serves one answer after another, with the headers that were given", async () => {
  await using server = scripted([hello, hello]);
  using http = client();
  for (let n = 0; n < 2; n++) {
    const response = await http.get(server.url, { range: "bytes=0-4" }, undefined);
    assertEquals([response?.status, response?.headers.get("etag"), await response?.text()], [
      200,
      '"e"',
      "hello",
    ]);
  }
  assertEquals(server.connections(), 1);
  assert(server.requests[0]?.startsWith("GET /a%20b?x=1 HTTP/1.1\r\n"));
  assert(/\r\nrange: bytes=0-4\r\n/.test(server.requests[0] ?? ""));
});

Deno.test("an idle connection that the server has closed is replaced unnoticed", async () => {
  await using server = scripted([hello, null, hello]);
  using http = client();
  for (let n = 0; n < 2; n++) {
    assertEquals(await (await http.get(server.url, none, undefined))?.text(), "hello");
  }
  assertEquals(server.connections(), 2);
});

Deno.test("a connection that the server wants closed is not used again", async () => {
  await using server = scripted([hello.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), hello]);
  using http = client();
  for (let n = 0; n < 2; n++) {
    assertEquals(await (await http.get(server.url, none, undefined))?.text(), "hello");
  }
  assertEquals(server.connections(), 2);
});

Deno.test("fields beyond ASCII, and such as cannot be, do no harm", async () => {
  const odd = 'Content-Disposition: inline; filename="größe €.json"\r\nX-Odd: a\u0001\0b\r\nContent-Length';
  await using server = scripted([hello.replace("Content-Length", odd)]);
  using http = client();
  assertEquals(await (await http.get(server.url, none, undefined))?.text(), "hello");
});

Deno.test("bodies of unknown length, encoded ones and proxies are left to fetch", async () => {
  const heads = [
    "Transfer-Encoding: chunked",
    "Content-Encoding: gzip\r\nContent-Length: 5",
    "X: y",
    "Content-Length: 3",
  ];
  for (const head of heads) {
    await using server = scripted([`HTTP/1.1 200 OK\r\n${head}\r\n\r\n12345`]);
    using http = client();
    assertEquals(await http.get(server.url, none, undefined), null, head);
    assertEquals(await http.get(server.url, none, undefined), null, head);
    assertEquals(server.connections(), 1, "the second time without asking");
  }
  await using server = scripted([hello]);
  using http = client({ http_proxy: "http://127.0.0.1:1" });
  assertEquals(await http.get(server.url, none, undefined), null);
  assertEquals(server.connections(), 0);
});

Deno.test("a host that cannot be reached is for fetch to tell of", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/`);
  listener.close();
  using http = client();
  assertEquals(await http.get(url, none, undefined), null);
});

Deno.test("what is no HTTP, or ends before its head does, is worth another attempt", async () => {
  const answers = ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/2 200\r\n\r\n", null];
  for (const answer of answers) {
    await using server = scripted([answer]);
    using http = client();
    await assertRejects(() => http.get(server.url, none, undefined), TransientError);
  }
});

Deno.test("a head without end is given up", async () => {
  await using server = scripted([`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(20_000)}`]);
  using http = client();
  await assertRejects(() => http.get(server.url, none, undefined), TransientError, "without end");
});

Deno.test("an answer that only announces another is skipped", async () => {
  await using server = scripted([`HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${hello}`]);
  using http = client();
  assertEquals(await (await http.get(server.url, none, undefined))?.text(), "hello");
});

Deno.test("a body that ends early is an error, not a short file", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using http = client();
  const accepting = (async () => {
    const conn = await listener.accept();
    await conn.read(new Uint8Array(4096));
    await conn.write(new TextEncoder().encode(hello.replace("Length: 5", "Length: 50")));
    conn.close();
  })();
  const response = await http.get(new URL(`http://127.0.0.1:${listener.addr.port}/`), none, undefined);
  await assertRejects(async () => await response?.arrayBuffer(), TransientError, "broke the connection");
  await accepting;
  listener.close();
});

Deno.test("aborting ends a waiting answer and a flowing body with the signal's reason", async () => {
  for (const sent of ["", hello.replace("Length: 5", "Length: 50")]) {
    await using server = scripted([sent]);
    using http = client();
    const abort = new AbortController();
    const reason = new Error("stopped");
    const reading = (async () => await (await http.get(server.url, none, abort.signal))?.arrayBuffer())();
    setTimeout(() => abort.abort(reason), 50);
    assertEquals(await reading.catch((error) => error), reason);
  }
});

Deno.test("bodies larger than the head's buffer come whole, into buffers of any size", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const data = new Uint8Array(600_000);
  for (let at = 0; at < data.length; at += bytes.length) data.set(bytes, at);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(data, { headers: { "content-length": `${data.length}` } }),
  );
  const url = new URL(`http://127.0.0.1:${server.addr.port}/`);
  using http = client();
  for (const size of [1000, 1 << 20]) {
    const body = (await http.get(url, none, undefined))?.body;
    assert(body && !(body instanceof ReadableStream));
    const got: number[] = [];
    const buffer = new Uint8Array(size);
    for (let n = await body.read(buffer); n !== null; n = await body.read(buffer)) {
      for (const byte of buffer.subarray(0, n)) got.push(byte);
    }
    assertEquals(new Uint8Array(got), data);
  }
});

Deno.test("where small bodies are held back, the next request begins as soon as the head of an answer came", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests: string[] = [];
  let [connections, held, early] = [0, 0, 0];
  // As a server with Nagle's algorithm does: on a used connection, the body waits for an acknowledgement, which goes with any byte.
  const serve = async (conn: Deno.Conn) => {
    connections++;
    const buffer = new Uint8Array(4096);
    let text = "";
    let used = false;
    const more = async () => {
      const count = await conn.read(buffer);
      text += new TextDecoder().decode(buffer.subarray(0, count ?? 0));
      return count !== null;
    };
    let reading = more();
    while (await reading) {
      reading = more();
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) continue;
      requests.push(text.slice(0, end));
      text = text.slice(end + 4);
      const [head, body] = hello.split(/(?<=\r\n\r\n)/);
      await conn.write(new TextEncoder().encode(head));
      if (used) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const acknowledged = new Promise<"held">((resolve) => timer = setTimeout(() => resolve("held"), 42));
        const released = await Promise.race([acknowledged, reading]);
        clearTimeout(timer);
        if (released === "held") held++;
        else if (text === "GET ") early++;
      }
      await conn.write(new TextEncoder().encode(body));
      used = true;
    }
    conn.close();
  };
  const accepting = (async () => {
    for await (const conn of listener) void serve(conn).catch(() => {});
  })();
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/x`);
  {
    using http = client();
    const fetched = async (bytes?: number) =>
      assertEquals(await (await http.get(url, none, undefined, bytes))?.text(), "hello");
    for (let n = 0; n < 10; n++) await fetched();
    // The first is not held back, three are.
    assertEquals([connections, held, early], [1, 3, 6]);
    await fetched(1 << 20);
    assertEquals([connections, held, early], [1, 4, 6], "large ones are left as they are");
    assertEquals(new Set(requests), new Set([requests[0]]), "each request came whole");
    assert(requests[0]?.startsWith("GET /x HTTP/1.1\r\n"));
  }
  listener.close();
  await accepting;
});

Deno.test("a body that is given up costs its connection, one that was read does not", async () => {
  await using server = scripted([hello, hello.replace("Length: 5", "Length: 50"), hello]);
  using http = client();
  const bodyOf = async () => {
    const body = (await http.get(server.url, none, undefined))?.body;
    assert(body && !(body instanceof ReadableStream));
    return body;
  };
  const whole = await bodyOf();
  assertEquals(await whole.read(new Uint8Array(50)), 5);
  assertEquals(await whole.read(new Uint8Array(50)), null);
  await whole.cancel();
  const part = await bodyOf();
  assertEquals(await part.read(new Uint8Array(3)), 3);
  await part.cancel();
  await assertRejects(() => part.read(new Uint8Array(3)), Error, "given up");
  assertEquals(server.connections(), 1);
  await (await bodyOf()).cancel();
  assertEquals(server.connections(), 2);
});

/** A server that answers each request by its path, in order, also those that come together; what it sends goes in pieces. */
function byPath(answer: (path: string, nth: number) => string | null, pieces: () => number = () => Infinity) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  /** What each read of a connection brought: paths. */
  const reads: string[][] = [];
  let connections = 0;
  const serve = async (conn: Deno.Conn) => {
    let nth = 0;
    const buffer = new Uint8Array(65536);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      const paths = [...new TextDecoder().decode(buffer.subarray(0, n)).matchAll(/^GET (\S+)/gm)].map((m) =>
        m[1] ?? ""
      );
      reads.push(paths);
      for (const path of paths) {
        const text = answer(path, nth++);
        if (text === null) return conn.close();
        const bytes = new TextEncoder().encode(text);
        for (let at = 0; at < bytes.length;) {
          const piece = bytes.subarray(at, at + pieces());
          at += await conn.write(piece);
          if (at < bytes.length) await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
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
    urls: (count: number) =>
      Array.from({ length: count }, (_, n) => new URL(`http://127.0.0.1:${listener.addr.port}/${n}`)),
    reads,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
    },
  };
}

const ok = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

Deno.test("requests go out together once the server has shown that it keeps connections", async () => {
  await using server = byPath((path) => ok(`body of ${path}`));
  using http = client();
  const urls = server.urls(5);
  assertEquals(await http.texts(urls), [], "nothing is known of it yet");
  assertEquals(await (await http.get(urls[0] ?? fail(), none, undefined))?.text(), "body of /0");
  for (let n = 0; n < 2; n++) {
    assertEquals(await http.texts(urls), [0, 1, 2, 3, 4].map((at) => `body of /${at}`));
  }
  assertEquals(server.connections(), 1);
  assertEquals(server.reads, [["/0"], ["/0", "/1", "/2", "/3", "/4"], ["/0", "/1", "/2", "/3", "/4"]]);
});

Deno.test("answers that come together are told apart, in whatever pieces they come", async () => {
  let state = 1;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  const bodies = Array.from({ length: 12 }, (_, n) => `${n}`.repeat(Math.floor(random() * 300)));
  await using server = byPath(
    (path) => ok(bodies[Number(path.slice(1))] ?? ""),
    () => 1 + Math.floor(random() * 500),
  );
  using http = client();
  const urls = server.urls(12);
  await (await http.get(urls[0] ?? fail(), none, undefined))?.text();
  for (let n = 0; n < 3; n++) assertEquals(await http.texts(urls), bodies);
});

Deno.test("bodies larger than what is read ahead are no matter", async () => {
  const bodies = [300_000, 5, 140_000, 0, 131_072].map((length, n) => `${n}`.repeat(length));
  await using server = byPath((path) => ok(bodies[Number(path.slice(1))] ?? ""));
  using http = client();
  await (await http.get(server.urls(1)[0] ?? fail(), none, undefined))?.text();
  assertEquals(await http.texts(server.urls(5)), bodies);
});

Deno.test("a server that closes after some answers, and says so, is asked the same way again", async () => {
  await using server = byPath((path, nth) =>
    nth === 2 ? ok(path).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n") : ok(path)
  );
  using http = client();
  const urls = server.urls(4);
  await (await http.get(urls[0] ?? fail(), none, undefined))?.text();
  assertEquals(await http.texts(urls), ["/0", "/1"]);
  assertEquals(await http.texts(urls), ["/0", "/1", "/2"]);
});

Deno.test("a server that ends without a word, forgets requests or sends bodies of unknown length is asked one by one", async () => {
  const cases: ((path: string, nth: number) => string | null)[] = [
    (path, nth) => nth === 2 ? null : ok(path),
    (path, nth) => nth >= 2 ? "" : ok(path),
    (path, nth) => nth === 2 ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" : ok(path),
  ];
  for (const answer of cases) {
    await using server = byPath(answer);
    using http = client();
    const urls = server.urls(4);
    await (await http.get(urls[0] ?? fail(), none, undefined))?.text();
    assertEquals(await http.texts(urls), ["/0"]);
    assertEquals(await http.texts(urls), []);
  }
});

Deno.test("a connection that breaks within an answer is an error, and costs one connection", async () => {
  await using server = byPath((path, nth) =>
    nth === 2 ? `HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n${path}` : nth > 2 ? null : ok(path)
  );
  using http = client();
  const urls = server.urls(4);
  await (await http.get(urls[0] ?? fail(), none, undefined))?.text();
  await assertRejects(() => http.texts(urls), TransientError, "broke the connection");
  assertEquals(await (await http.get(urls[1] ?? fail(), none, undefined))?.text(), "/1");
});

Deno.test("more than was asked for is no answer to the next request", async () => {
  await using server = byPath((path, nth) =>
    nth === 2 ? `${ok(path)}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong` : ok(path)
  );
  using http = client();
  const urls = server.urls(2);
  await (await http.get(urls[0] ?? fail(), none, undefined))?.text();
  assertEquals(await http.texts(urls), ["/0", "/1"]);
  assertEquals(await http.get(urls[0] ?? fail(), none, undefined), null, "left to fetch");
});

Deno.test("answers that nobody reads further cost their connection", async () => {
  await using server = byPath(ok);
  using http = client();
  const urls = server.urls(3);
  await (await http.get(urls[0] ?? fail(), none, undefined))?.text();
  for await (const answer of http.getAll(urls.map((url) => ({ url, headers: {} })), undefined)) {
    assertEquals(await answer.text(), "/0");
    break;
  }
  assertEquals(await http.texts(urls), ["/0", "/1", "/2"]);
  assertEquals(server.connections(), 2);
});

Deno.test("aborting ends requests that were sent together, with the signal's reason", async () => {
  await using server = byPath((path, nth) => nth >= 2 ? "" : ok(path));
  using http = client();
  const urls = server.urls(3);
  await (await http.get(urls[0] ?? fail(), none, undefined))?.text();
  const abort = new AbortController();
  const reason = new Error("stopped");
  setTimeout(() => abort.abort(reason), 30);
  assertEquals(await http.texts(urls, abort.signal).catch((error) => error), reason);
});

Deno.test("a header's value cannot begin another line", async () => {
  await using server = byPath(ok);
  using http = client();
  const [url = fail()] = server.urls(1);
  await assertRejects(
    () => http.get(url, { authorization: "a\r\nb: c" }, undefined),
    TypeError,
    "authorization",
  );
  assertEquals(server.reads, []);
});

function fail(): never {
  throw new Error("there is no such address");
}

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
  const http = directHttp({ env, caCerts: [], connections: 4 });
  return {
    get: (url: URL, headers: Headers, signal: AbortSignal | undefined, bytes = 5) =>
      http.get(url, { headers, signal, bytes }),
    [Symbol.dispose]: () => http.close(),
  };
}

const none = new Headers();
const hello = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\n\r\nhello';

Deno.test("a connection serves one answer after another, with the headers that were given", async () => {
  await using server = scripted([hello, hello]);
  using http = client();
  for (let n = 0; n < 2; n++) {
    const response = await http.get(server.url, new Headers({ range: "bytes=0-4" }), undefined);
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

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { abortable } from "@std/async/abortable";
import { AimError } from "../../src/errors/aim_error.ts";
import { TransientError } from "../../src/sources/source.ts";
import { askedWait } from "../../src/sources/transport/asked_wait.ts";
import { parseJson } from "../../src/sources/transport/parse_json.ts";
import { proxyFor } from "../../src/sources/transport/proxies.ts";
import { followRedirects, redirectTarget } from "../../src/sources/transport/redirect.ts";
import { Transport } from "../../src/sources/transport/transport.ts";

Deno.test("the wait comes from Retry-After in seconds, fractions or a date, else from an exhausted rate limit", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const cases: [headers: Record<string, string>, wait: number | null][] = [
    [{}, null],
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after": "1.5" }, 1500],
    [{ "retry-after": "Thu, 01 Jan 2026 00:01:00 GMT" }, 60_000],
    [{ "retry-after": "86400" }, 86_400_000],
    [{ "retry-after": "Wed, 31 Dec 2025 23:59:00 GMT" }, 0],
    [{ "retry-after": "soon" }, null],
    [{ "ratelimit": '"resolvers";r=0;t=60' }, 60_000],
    [{ "ratelimit": '"api";r=10;t=200, "resolvers";r=0;t=60' }, 60_000],
    [{ "ratelimit": '"api";r=10;t=200' }, null],
    [
      { "ratelimit": '"resolvers";r=0', "ratelimit-policy": '"fixed window";"resolvers";q=5000;w=300' },
      300_000,
    ],
    [{ "ratelimit-remaining": "0", "ratelimit-reset": "30" }, 30_000],
    [{ "ratelimit-remaining": "3", "ratelimit-reset": "30" }, null],
    [{ "retry-after": "2", "ratelimit": '"resolvers";r=0;t=60' }, 2000],
  ];
  for (const [headers, wait] of cases) {
    assertEquals(askedWait(new Headers(headers), now), wait, JSON.stringify(headers));
  }
});

Deno.test("redirects are followed only to http and https, and never from https to http", () => {
  const to = (from: string, location: string | null, status = 302) =>
    redirectTarget(
      { status, headers: new Headers(location === null ? {} : { location }) },
      new URL(from),
    )?.href ?? null;
  assertEquals(to("https://hub/a", "/b"), "https://hub/b");
  assertEquals(to("http://hub/a", "https://cdn/b"), "https://cdn/b");
  assertEquals(to("http://hub/a", "http://cdn/b", 308), "http://cdn/b");
  assertEquals(to("http://hub/a", null), null);
  assertEquals(to("http://hub/a", "/b", 200), null);
  for (
    const [from, location] of [
      ["http://hub/a", "file:///etc/passwd"],
      ["http://hub/a", "data:text/plain,x"],
      ["http://hub/a", "blob:x"],
      ["http://hub/a", "http://["],
      ["https://hub/a", "http://hub/a"],
    ] as const
  ) {
    assertEquals(assertThrows(() => to(from, location), AimError).kind, "network", location);
  }
});

Deno.test("JSON is parsed within limits, and the error describes a response that is not JSON", () => {
  assertEquals(parseJson('{"a":["[[[",1]}', "hub"), { a: ["[[[", 1] });
  const refused = (text: string) => assertThrows(() => parseJson(text, "hub"), AimError);
  for (
    const text of [
      "",
      "<!DOCTYPE html><title>Sign in</title>",
      "nope",
      "[".repeat(100),
      "[" + "[],".repeat(3e6),
    ]
  ) {
    assertEquals(refused(text).kind, "network");
  }
  assert(refused("<html><head><title>Sign in</title>").message.includes('"Sign in"'));
});

Deno.test("NO_PROXY accepts *, names, ports, addresses and address blocks; a proxy's user may have no password", () => {
  const direct = (url: string, list: string) =>
    proxyFor(new URL(url), { HTTP_PROXY: "http://proxy:3128", NO_PROXY: list }) === null;
  const cases: [url: string, list: string, direct: boolean][] = [
    ["http://hub.corp/", "*", true],
    ["http://hub.corp/", "corp", true],
    ["http://hub.corp/", ".corp, other", true],
    ["http://hub.corp/", "*.corp", true],
    ["http://hub.corp/", "ub.corp", false],
    ["http://hub.corp:8080/", "hub.corp:8080", true],
    ["http://hub.corp/", "hub.corp:8080", false],
    ["http://hub.corp/", "hub.corp:80", true],
    ["http://HUB.corp/", "hub.CORP", true],
    ["http://10.1.2.3/", "10.1.2.3", true],
    ["http://10.1.2.3/", "10.0.0.0/8", true],
    ["http://11.1.2.3/", "10.0.0.0/8", false],
    ["http://10.1.2.3/", "1.2.3", false],
    ["http://[fd00::1]/", "fd00::1", true],
    ["http://[fd00::1]:81/", "[fd00:0:0::1]:81", true],
    ["http://[fd00::1]/", "fd00::/8", true],
    ["http://[fe00::1]/", "fd00::/16", false],
    ["http://hub.corp/", "", false],
    ["http://hub.corp/", " , ,", false],
  ];
  for (const [url, list, expected] of cases) assertEquals(direct(url, list), expected, `${url} ${list}`);
  const proxy = (value: string) => proxyFor(new URL("https://hub/"), { HTTPS_PROXY: value });
  assertEquals(proxy("http://me@proxy:3128"), {
    variable: "HTTPS_PROXY",
    url: "http://proxy:3128",
    basicAuth: { username: "me", password: "" },
  });
  assertEquals(proxy("me:p%40ss@proxy:3128")?.basicAuth, { username: "me", password: "p@ss" });
  assertEquals(proxy("proxy:3128")?.basicAuth, null);
  assertEquals(proxy("socks5://proxy:1080")?.url, "socks5://proxy:1080");
  const bad = assertThrows(() => proxy("ftp://me:secret@proxy"), AimError);
  assertEquals([bad.kind, bad.message.includes("secret")], ["usage", false]);
});

/** A server that answers every request with these bytes and closes. */
async function raw(text: string | Uint8Array<ArrayBuffer>): Promise<{ url: string } & Disposable> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  void (async () => {
    for await (const conn of listener) {
      await conn.read(new Uint8Array(8192));
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
      conn.close();
    }
  })().catch(() => {});
  const { port } = listener.addr as Deno.NetAddr;
  return await Promise.resolve({
    url: `http://127.0.0.1:${port}/`,
    [Symbol.dispose]: () => listener.close(),
  });
}

function transport(): Transport & Disposable {
  const opened = new Transport({ env: {}, connections: 4, sleep: () => Promise.resolve() });
  return Object.assign(opened, { [Symbol.dispose]: () => opened.close() });
}

Deno.test("accepts heads with bare line feeds, repeated equal lengths, and HTTP/1.0", async () => {
  for (
    const head of [
      "HTTP/1.1 200 OK\nContent-Length: 5\n\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.0 200 OK\r\n\r\n",
      "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n",
    ]
  ) {
    using server = await raw(`${head}hello`);
    using http = transport();
    assertEquals(await (await http.fetch(server.url, {})).text(), "hello", JSON.stringify(head));
  }
});

Deno.test("an endless response and a compression bomb are stopped at the size limit", async () => {
  const zeros = new Blob([new Uint8Array(64 * 2 ** 20)]).stream().pipeThrough(new CompressionStream("gzip"));
  const bomb = await new Response(zeros).bytes();
  const head = new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
  const answer = new Uint8Array(head.length + bomb.length);
  answer.set(head);
  answer.set(bomb, head.length);
  using server = await raw(answer);
  using http = transport();
  assertEquals((await assertRejects(() => http.request(server.url, {}), AimError)).kind, "network");
  using endless = await raw(`HTTP/1.1 500 No\r\n\r\n${"x".repeat(20 * 2 ** 20)}`);
  assertEquals((await assertRejects(() => http.request(endless.url, {}), AimError)).kind, "network");
});

Deno.test("a redirect whose body never ends is followed at once", async () => {
  const hangs = () => new Response(new ReadableStream(), { status: 302, headers: { location: "/b" } });
  const answers = [hangs(), new Response("b", { headers: { "content-length": "1" } })];
  const send = () => Promise.resolve(answers.shift() ?? new Response());
  const following = followRedirects(new URL("http://hub/a"), {}, send);
  const { url } = await abortable(following, AbortSignal.timeout(5_000));
  assertEquals(url.href, "http://hub/b");
});

Deno.test("a server that answers 503 gets few requests on any number of connections, and then none", async () => {
  let asked = 0, underWay = 0, most = 0;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async () => {
    asked++;
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setTimeout(resolve, 20));
    underWay--;
    return new Response(null, { status: 503 });
  });
  const http = new Transport({ env: {}, connections: 16, sleep: () => Promise.resolve() });
  const failures = await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let attempt = 0; attempt < 8; attempt++) {
        try {
          const answer = await http.fetch(`http://127.0.0.1:${server.addr.port}/`, {});
          await answer.body?.cancel();
        } catch (error) {
          if (!(error instanceof TransientError)) return error;
        }
      }
      return null;
    }),
  );
  http.close();
  assertEquals([asked, most], [12, 4]);
  assert(failures.every((failure) => failure instanceof AimError && failure.kind === "network"));
});

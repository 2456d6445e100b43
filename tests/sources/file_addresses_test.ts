import { assert, assertEquals, assertRejects } from "@std/assert";
import { FileAddresses } from "../../src/sources/file_addresses.ts";
import type { FoundAnswer } from "../../src/sources/transport/redirect.ts";
import type { RequestHeaders } from "../../src/sources/transport/http_connection.ts";
import { SourceChangedError } from "../../src/sources/source.ts";

const DIGEST = "ab".repeat(32);
const FILE = { path: "model.safetensors", etag: DIGEST };

interface Server extends AsyncDisposable {
  readonly file: URL;
  /** `If-Range` of each request. */
  readonly asked: (string | null)[];
  /** The file's ETag. */
  tag: string;
  /** Whether it compares `If-Range` with the ETag, as RFC 9110 requires. @default {true} */
  comparesTags: boolean;
  /** Sent as the response to every request. */
  other: (() => Response) | null;
}

function startServer(tag: string): Server {
  const asked: (string | null)[] = [];
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const condition = request.headers.get("if-range");
    asked.push(condition);
    if (server.other !== null) return server.other();
    const partly = condition === null || (server.comparesTags && condition === server.tag);
    return new Response(partly ? "part" : "whole file", {
      status: partly ? 206 : 200,
      headers: { etag: server.tag },
    });
  });
  const server: Server = {
    file: new URL(`http://127.0.0.1:${http.addr.port}/file`),
    asked,
    tag,
    comparesTags: true,
    other: null,
    [Symbol.asyncDispose]: () => http.shutdown(),
  };
  return server;
}

/** Requests a part; resolves to its text. */
async function part(addresses: FileAddresses, url: URL, file = FILE): Promise<string> {
  const { response } = await addresses.ask(file, url, { range: "bytes=0-3" }, follow);
  return await response.text();
}

async function follow(first: URL, headers: RequestHeaders): Promise<FoundAnswer> {
  const response = await fetch(first, { headers, redirect: "manual" });
  const location = response.headers.get("location");
  if (location === null) return { response, url: first };
  await response.body?.cancel();
  const url = new URL(location);
  const { "if-range": _etag, ...rest } = headers;
  return { response: await fetch(url, { headers: rest }), url };
}

Deno.test("If-Range is sent with the server's ETag for this file, if that ETag is the file's digest", async () => {
  for (const tag of [`"${DIGEST}"`, `"sha256:${DIGEST}"`]) {
    await using server = startServer(tag);
    const addresses = new FileAddresses();
    for (let n = 0; n < 3; n++) assertEquals(await part(addresses, server.file), "part");
    assertEquals(server.asked, [null, tag, tag]);
    // Neither for another file nor for a complete one.
    await part(addresses, new URL("/other", server.file), { path: "other", etag: "cd".repeat(32) });
    const whole = await addresses.ask(FILE, server.file, {}, follow);
    await whole.response.body?.cancel();
    assertEquals(server.asked.slice(3), [null, null]);
  }
});

Deno.test("weak ETags, and ETags that can differ between nodes of a mirror, are not used for If-Range", async () => {
  for (const tag of ['"3e8-1400000"', '"d41d8cd98f00b204e9800998ecf8427e-3"', `W/"${DIGEST}"`, DIGEST, ""]) {
    await using server = startServer(tag);
    const addresses = new FileAddresses();
    for (let n = 0; n < 2; n++) assertEquals(await part(addresses, server.file), "part");
    assertEquals(server.asked, [null, null], tag);
  }
});

Deno.test("an ETag is sent only to the origin it came from", async () => {
  await using store = startServer(`"${DIGEST}"`);
  await using hub = startServer("");
  hub.other = () => Response.redirect(store.file, 302);
  const addresses = new FileAddresses();
  for (let n = 0; n < 2; n++) assertEquals(await part(addresses, hub.file), "part");
  assertEquals([hub.asked, store.asked], [[null], [null, `"${DIGEST}"`]]);
  // The signed URL has expired.
  store.other = () => new Response("expired", { status: 403 });
  hub.other = null;
  assertEquals(await part(addresses, hub.file), "part");
  assertEquals(hub.asked, [null, null]);
});

Deno.test("a file that changed after its first part is reported as a changed source", async () => {
  await using server = startServer(`"${DIGEST}"`);
  const addresses = new FileAddresses();
  await part(addresses, server.file);
  const other = "ef".repeat(32);
  server.tag = `"${other}"`;
  const error = await assertRejects(() => part(addresses, server.file), SourceChangedError);
  assert(error.message.includes(`ETag ${other}, it was ${DIGEST}`), error.message);
});

Deno.test("once a server answers If-Range with the complete file, parts are requested without it", async () => {
  await using server = startServer(`"${DIGEST}"`);
  server.comparesTags = false;
  const addresses = new FileAddresses();
  for (let n = 0; n < 3; n++) assertEquals(await part(addresses, server.file), "part");
  assertEquals(server.asked, [null, `"${DIGEST}"`, null, null]);
});

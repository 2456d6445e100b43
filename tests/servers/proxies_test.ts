import { assert, assertEquals, assertRejects } from "@std/assert";
import { makeCertificates, NEEDS_OPENSSL, OPENSSL_MISSING } from "./certificates.ts";
import { randomBytes } from "./content.ts";
import { startFaultProxy } from "./fault_proxy.ts";
import { startForwardProxy } from "./forward_proxy.ts";
import { startHub } from "./hub_server.ts";

const BIG = randomBytes(500_000, 9);
const repos = [{ id: "org/m", files: { "a.bin": BIG } }];

/** Reads from plain TCP until the end, to distinguish FIN from a reset. */
async function readRaw(port: number): Promise<{ bytes: number; end: string }> {
  using conn = await Deno.connect({ port });
  await conn.write(new TextEncoder().encode("GET /org/m/raw/main/none HTTP/1.1\r\nHost: x\r\n\r\n"));
  const buffer = new Uint8Array(1 << 16);
  let bytes = 0;
  try {
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) bytes += n;
    return { bytes, end: "end" };
  } catch (error) {
    return { bytes, end: error instanceof Error ? error.name : "?" };
  }
}

Deno.test("the fault proxy passes data on, and cuts connections with RST or FIN", async () => {
  await using hub = await startHub({ repos });
  await using proxy = await startFaultProxy(hub.cdnUrl);
  hub.publicCdnUrl = proxy.url;
  const url = `${hub.url}/org/m/resolve/main/a.bin`;
  assertEquals(new Uint8Array(await (await fetch(url)).arrayBuffer()), BIG);
  proxy.faults.cutAfter = 100_000;
  await assertRejects(async () => await (await fetch(url)).arrayBuffer(), TypeError);
  proxy.faults.cutAfter = 50;
  assertEquals(await readRaw(proxy.port), { bytes: 50, end: "ConnectionReset" });
  proxy.faults.reset = false;
  assertEquals(await readRaw(proxy.port), { bytes: 50, end: "end" });
});

Deno.test("the fault proxy stalls and goes down on command", async () => {
  await using hub = await startHub({ repos });
  await using proxy = await startFaultProxy(hub.url, { stallAfter: 50, stalls: 1 });
  const stalled = fetch(`${proxy.url}/api/models/org/m`, { signal: AbortSignal.timeout(100) });
  await assertRejects(async () => await (await stalled).text(), DOMException);
  const well = await fetch(`${proxy.url}/api/models/org/m`);
  assertEquals((await well.json()).id, "org/m");
  proxy.faults.down = true;
  proxy.resetAll();
  await assertRejects(() => fetch(`${proxy.url}/api/models/org/m`), TypeError);
});

Deno.test(
  `TLS works only for a client that trusts the authority${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async () => {
    const made = await makeCertificates();
    assert(!("skip" in made));
    await using certificates = made;
    await using hub = await startHub({ repos, tls: certificates.tls });
    const client = Deno.createHttpClient({ caCerts: [certificates.ca] });
    try {
      const response = await fetch(`${hub.url}/org/m/resolve/main/a.bin`, { client });
      assertEquals(new Uint8Array(await response.arrayBuffer()), BIG);
      await assertRejects(() => fetch(hub.url), TypeError);
    } finally {
      client.close();
    }
  },
);

Deno.test(
  `the forward proxy passes http and https on, and requires credentials${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async () => {
    const made = await makeCertificates();
    assert(!("skip" in made));
    await using certificates = made;
    await using plain = await startHub({ repos });
    await using secure = await startHub({ repos, tls: certificates.tls });
    await using proxy = await startForwardProxy({ credentials: "user:secret" });
    const { username, password } = new URL(proxy.url);
    const through = (basicAuth?: { username: string; password: string }) =>
      Deno.createHttpClient({
        caCerts: [certificates.ca],
        proxy: { url: proxy.url.replace(/\/\/.*@/, "//"), ...(basicAuth === undefined ? {} : { basicAuth }) },
      });
    const [good, anonymous] = [through({ username, password }), through()];
    try {
      for (const hub of [plain, secure]) {
        const response = await fetch(`${hub.url}/api/models/org/m`, { client: good });
        assertEquals((await response.json()).id, "org/m");
      }
      const refused = await fetch(`${plain.url}/api/models/org/m`, { client: anonymous });
      await refused.body?.cancel();
      assertEquals(refused.status, 407);
    } finally {
      good.close();
      anonymous.close();
    }
    assertEquals(proxy.requests.map((line) => line.split(" ")[0]), ["GET", "CONNECT", "GET"]);
  },
);

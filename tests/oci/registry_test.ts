import { assert, assertEquals, assertRejects } from "@std/assert";
import { assertSafePath } from "../../src/sources/safe_path.ts";
import { openRegistry } from "../../src/sources/oci/registry.ts";
import { freePort } from "../servers/free_port.ts";

const OPTIONS = {
  hfEndpoint: "http://127.0.0.1",
  hfToken: () => Promise.resolve(null),
  protocols: ["HTTP"] as const,
  offline: false,
  connections: 4,
};

Deno.test("concurrent requests with an expired token share one new token, and no token or login is sent to another origin", async () => {
  const [port, other] = [freePort(), freePort()];
  const folder = await Deno.makeTempDir();
  let [valid, given] = ["", 0];
  const elsewhere: (string | null)[] = [];
  const realms: (string | null)[] = [];
  await using _store = Deno.serve({ hostname: "127.0.0.1", port: other, onListen() {} }, (request) => {
    elsewhere.push(request.headers.get("authorization"));
    if (!request.url.endsWith("/closed")) return new Response("bytes");
    const realm = `Bearer realm="http://127.0.0.1:${other}/token",service="s"`;
    return new Response(null, { status: 401, headers: { "www-authenticate": realm } });
  });
  await using _registry = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/token") {
      realms.push(request.headers.get("authorization"));
      await new Promise((resolve) => setTimeout(resolve, 20));
      return Response.json({ access_token: valid = `token${++given}` });
    }
    if (valid === "" || request.headers.get("authorization") !== `Bearer ${valid}`) {
      const realm = `Bearer realm="http://127.0.0.1:${port}/token",service="s",scope="repository:m:pull"`;
      return new Response(null, { status: 401, headers: { "www-authenticate": realm } });
    }
    if (!/moved|closed/.test(pathname)) return new Response("ok");
    const location = `http://127.0.0.1:${other}/${pathname.split("/").at(-1)}`;
    return new Response(null, { status: 307, headers: { location } });
  });
  await Deno.writeTextFile(
    `${folder}/auth.json`,
    JSON.stringify({ auths: { [`127.0.0.1:${port}`]: { auth: btoa("u:p") } } }),
  );
  const registry = openRegistry(`127.0.0.1:${port}`, "m", {
    ...OPTIONS,
    env: { AIM_OCI_INSECURE: "true", REGISTRY_AUTH_FILE: `${folder}/auth.json` },
  });
  const file = { path: assertSafePath("a"), size: 5, digest: null, etag: "" };
  try {
    const ask = async (path: string) => await (await registry.ask(path, {}, file)).text();
    assertEquals(await Promise.all([1, 2, 3, 4].map((n) => ask(`blobs/${n}`))), ["ok", "ok", "ok", "ok"]);
    assertEquals(given, 1);
    valid = "expired";
    assertEquals(await Promise.all([1, 2, 3, 4].map((n) => ask(`blobs/${n}`))), ["ok", "ok", "ok", "ok"]);
    assertEquals(given, 2);
    assertEquals(await ask("blobs/moved"), "bytes");
    assertEquals((await registry.ask("blobs/closed", {}, file)).status, 401);
    assertEquals(elsewhere, [null, null]);
    assert(realms.every((sent) => sent === `Basic ${btoa("u:p")}`));
  } finally {
    registry.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("aborting a request that waits for a token does not abort other requests waiting for it", async () => {
  const port = freePort();
  const answer = Promise.withResolvers<void>();
  let [refusals, tokens] = [0, 0];
  await using _server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    if (new URL(request.url).pathname === "/token") {
      tokens++;
      await answer.promise;
      return Response.json({ token: "t" });
    }
    if (request.headers.get("authorization") === "Bearer t") return new Response("ok");
    refusals++;
    const realm = `Bearer realm="http://127.0.0.1:${port}/token"`;
    return new Response(null, { status: 401, headers: { "www-authenticate": realm } });
  });
  const registry = openRegistry(`127.0.0.1:${port}`, "m", { ...OPTIONS, env: { AIM_OCI_INSECURE: "true" } });
  const file = { path: assertSafePath("a"), size: 2, digest: null, etag: "" };
  try {
    const abort = new AbortController();
    const aborted = registry.ask("blobs/1", { signal: abort.signal }, file);
    while (tokens === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const other = registry.ask("blobs/2", { signal: new AbortController().signal }, file);
    while (refusals < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    abort.abort(new Error("mine"));
    await assertRejects(() => aborted, Error, "mine");
    answer.resolve();
    assertEquals(await (await other).text(), "ok");
    assertEquals(tokens, 1);
  } finally {
    registry.close();
  }
});

// aim through real mirrors and proxies, compared with Python's client.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { makeCertificates } from "../servers/certificates.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { type HubServer, startHub } from "../servers/hub_server.ts";
import { startNginxFront } from "../servers/nginx_front.ts";
import { startOlah } from "../servers/olah.ts";
import { startSquid } from "../servers/squid.ts";
import { python, PYTHON_HUB, withoutPython } from "./python_client.ts";

const FILES = {
  "config.json": '{"model_type":"llama"}\n',
  "README.md": "hello\n".repeat(500),
  "model.safetensors": safetensorsBytes(300_000, 1),
  "nested/vocab.txt": "a\nb\n",
};

/** Mirrors, and whether Python's client can download through them. */
const FRONTS = [
  ["olah", startOlah, true],
  ["nginx caching", (hub: HubServer) => startNginxFront(hub, "cache"), false],
  ["nginx rewriting under a path", (hub: HubServer) => startNginxFront(hub, "rewrite"), false],
] as const;

async function inTemporary(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function assertModel(directory: string): Promise<void> {
  for (const [path, content] of Object.entries(FILES)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    assertEquals(await Deno.readFile(`${directory}/${path}`), new Uint8Array(bytes), path);
  }
}

const SNAPSHOT = "import sys\nfrom huggingface_hub import snapshot_download\n" +
  "snapshot_download('org/model', local_dir=sys.argv[1])";

for (const [name, start, suitsPython] of FRONTS) {
  const probe = await (async () => {
    await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
    const front = await start(hub);
    if ("skip" in front) return front.skip;
    await front[Symbol.asyncDispose]();
    return null;
  })();
  Deno.test({
    name: `aim downloads a model through ${name}${probe === null ? "" : ` (skipped: ${probe})`}`,
    ignore: probe !== null,
    async fn(t) {
      await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
      const front = await start(hub);
      assert(!("skip" in front));
      await using _ = front;
      await inTemporary(async (directory) => {
        const env = { HF_ENDPOINT: front.url, HF_HOME: `${directory}/hf` };
        const ran = await aim(["fetch", "org/model", `${directory}/aim`, "--format", "json"], { env });
        assertEquals(ran.code, 0, ran.stderr);
        assertEquals(JSON.parse(ran.stdout).provenBySize, 0);
        await assertModel(`${directory}/aim`);
        await t.step({
          name: `Python's client ${suitsPython ? "gets the same files" : "fails"} (${
            withoutPython === null ? `huggingface_hub ${PYTHON_HUB}` : `skipped: ${withoutPython}`
          })`,
          ignore: withoutPython !== null,
          async fn() {
            const { code, stderr } = await python(SNAPSHOT, [`${directory}/python`], env);
            assertEquals(code, suitsPython ? 0 : 1, stderr);
            if (suitsPython) await assertModel(`${directory}/python`);
          },
        });
      });
    },
  });
}

const squid = await startSquid();
const noSquid = "skip" in squid ? squid.skip : null;
if (!("skip" in squid)) await squid[Symbol.asyncDispose]();

Deno.test({
  name: `aim authenticates to squid, over HTTP and through CONNECT, and NO_PROXY bypasses it (${
    noSquid === null ? "squid" : `skipped: ${noSquid}`
  })`,
  ignore: noSquid !== null,
  async fn() {
    const certificates = await makeCertificates();
    assert(!("skip" in certificates));
    await using _ = certificates;
    const proxy = await startSquid();
    assert(!("skip" in proxy));
    await using __ = proxy;
    const repos = [{ id: "org/model", files: FILES }];
    await using plain = await startHub({ repos });
    await using secure = await startHub({ repos, tls: certificates.tls });
    await inTemporary(async (directory) => {
      /** @param least Log lines to wait for: squid writes one when a connection ends. */
      const fetched = async (name: string, env: Record<string, string>, least = 0) => {
        const before = (await proxy.log()).length;
        const ran = await aim(["fetch", "org/model", `${directory}/${name}`, "--progress", "none"], {
          env: { HF_HOME: `${directory}/hf`, SSL_CERT_FILE: certificates.caPath, ...env },
        });
        const lines = async () => (await proxy.log()).slice(before);
        for (let left = 50; left > 0 && (await lines()).length < least; left--) {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        return { ran, lines: await lines() };
      };
      for (const hub of [plain, secure]) {
        const name = hub === plain ? "plain" : "secure";
        const least = hub === plain ? 4 : 1;
        const { ran, lines } = await fetched(name, { ...proxy.env, HF_ENDPOINT: hub.url }, least);
        assertEquals(ran.code, 0, ran.stderr);
        await assertModel(`${directory}/${name}`);
        assert(lines.length >= least, lines.join("\n"));
      }
      const wrong = proxy.url.replace(/:[^:]*@/, ":wrongword@");
      for (const [hub, variable] of [[plain, "HTTP_PROXY"], [secure, "HTTPS_PROXY"]] as const) {
        const refused = await fetched("wrong", { [variable]: wrong, HF_ENDPOINT: hub.url });
        assertEquals(refused.ran.code, 6, refused.ran.stderr);
        assertStringIncludes(refused.ran.stderr, variable);
        assert(!refused.ran.stderr.includes("wrongword"));
      }
      for (const list of ["*", "127.0.0.1", "127.0.0.0/8", new URL(plain.url).host]) {
        const direct = await fetched(`direct ${list.replace("/", "-")}`, {
          ...proxy.env,
          NO_PROXY: list,
          HF_ENDPOINT: plain.url,
        });
        // The hub's CDN has another port.
        const lines = direct.lines.filter((line) => line.includes(new URL(plain.url).host));
        assertEquals([direct.ran.code, lines], [0, []], direct.ran.stderr);
      }
    });
  },
});

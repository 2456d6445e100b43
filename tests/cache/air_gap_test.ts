// A cache that was copied to a host without a network.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createHash } from "node:crypto";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { aim, AIM_COMMAND, plainEnvironment } from "../cli/aim.ts";
import { asBytes, type Caches, installed, LAYOUTS, MODEL, run, S3_MODEL, startCaches } from "./caches.ts";

/** All tests, as in CI, instead of a selection. */
const FULL = Deno.env.get("AIM_TEST_FULL") === "1";

/** Ways to copy a cache from `$1` to `$2`, neither of which ends with a slash. */
const WAYS: Readonly<Record<string, { needs?: string; script: string; loses?: "links"; slow?: true }>> = {
  "rsync -a": { needs: "rsync", script: 'rsync -a "$1/" "$2/"' },
  "cp -r": { script: 'cp -r "$1" "$2"', slow: true },
  "tar": { script: 'mkdir "$2" && tar -C "$1" -c . | tar -C "$2" -x', slow: true },
  "rclone, as an object store: files only, links followed, times lost": {
    needs: "rclone",
    script:
      'rclone -q --config /dev/null copy -L --no-update-modtime "$1" "$2" && find "$2" -exec touch {} +',
  },
  "rclone, as an object store: files only, links and times lost": {
    needs: "rclone",
    script: 'rclone -q --config /dev/null copy --no-update-modtime "$1" "$2" && find "$2" -exec touch {} +',
    loses: "links",
  },
};

/** A stub engine: finds the model as the engine's libraries do offline, and prints file names and digests. */
const ENGINE = `#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = --model ] && model=$2; shift; done
case $model in
  /*) folder=$model ;;
  *)
    [ "$HF_HUB_OFFLINE" = 1 ] || exit 1
    repo=\${HF_HUB_CACHE:-$HF_HOME/hub}/models--$(echo "$model" | sed 's,/,--,')
    folder=$repo/snapshots/$(cat "$repo/refs/main") ;;
esac
cd "$folder" && find -L . -type f ! -path './.aim/*' ! -path './.cache/*' -exec sha256sum {} + | LC_ALL=C sort
`;

const NAMESPACE = await run("unshare", "-r", "-n", "true").then(() => true, () => false);
const NOT_ISOLATED = NAMESPACE ? "" : " (with a network: unshare is not available)";

for (const layout of LAYOUTS) {
  for (const [way, { needs, script, loses, slow }] of Object.entries(WAYS)) {
    if (slow && !FULL) continue;
    const missing = needs !== undefined && !installed(needs);
    const skipped = missing ? ` (skipped: ${needs} is not installed)` : "";
    const lost = layout === "hub" && loses === "links";
    const outcome = lost
      ? "is refused with the reason, and repaired without downloading a file"
      : "resolves, verifies and is served";
    Deno.test({
      name: `the ${layout} layout, copied by ${way}, ${outcome}${skipped || NOT_ISOLATED}`,
      ignore: missing,
      async fn() {
        await using caches = await startCaches();
        const carried = `${caches.cache}/../carried`;
        await caches.download({ layout });
        await run("sh", "-euc", script, "sh", caches.cache, carried);
        await Deno.remove(caches.cache, { recursive: true });
        await Deno.mkdir(caches.cache);
        const env = { AIM_CACHE_PATH: carried, HF_HUB_OFFLINE: "1" };
        if (lost) {
          const refused = await aim(["resolve", "org/model"], { env });
          assertEquals(refused.code, 5);
          assertMatch(refused.stdout, /the snapshot's links are missing/);
          const before = caches.bytesSent();
          await caches.download({ layout, cache: carried });
          assertEquals(caches.bytesSent(), before);
        }
        const found = await aim(["resolve", "org/model", "--format", "json"], { env });
        assertEquals(found.code, 0, found.stderr);
        assertEquals(JSON.parse(found.stdout).kind, layout === "local" ? "path" : "hub");
        const proven = await aim(["cache", "verify", "--format", "json"], { env });
        assertEquals(proven.code, 0, proven.stderr);
        const [{ whole, good }] = JSON.parse(proven.stdout).models;
        assertEquals([whole, good], [true, Object.keys(MODEL).length]);
        // Online, repeating the download moves nothing.
        const before = caches.bytesSent();
        await caches.download({ layout, cache: carried });
        assertEquals(caches.bytesSent(), before);
        assertEquals(await served(caches, carried, "org/model"), digestsOf(MODEL));
      },
    });
  }
}

for (const layout of LAYOUTS) {
  Deno.test(`a model from S3 in the ${layout} layout is served without a network${NOT_ISOLATED}`, async () => {
    await using caches = await startCaches();
    await caches.download({ layout, uri: S3_MODEL });
    assertEquals(await served(caches, caches.cache, S3_MODEL), digestsOf(MODEL));
  });

  Deno.test(`cache verify reports a corrupted and a missing file in the ${layout} layout with exit 8`, async () => {
    await using caches = await startCaches();
    const { path } = await caches.download({ layout });
    const shard = await Deno.realPath(`${path}/model-00002-of-00002.safetensors`);
    const bytes = await Deno.readFile(shard);
    bytes[70] = (bytes[70] ?? 0) ^ 4;
    await Deno.writeFile(shard, bytes);
    await Deno.remove(await Deno.realPath(`${path}/tokenizer.json`));
    const ran = await aim(["cache", "verify"], { env: { AIM_CACHE_PATH: caches.cache } });
    assertEquals(ran.code, 8);
    assertMatch(
      ran.stdout,
      /bad +\S*model-00002-of-00002\.safetensors: its sha256 is [0-9a-f]{64} instead of [0-9a-f]{64}/,
    );
    assertMatch(ran.stdout, /missing +\S*tokenizer\.json: it does not exist/);
  });

  Deno.test(`offline, resolve and serve name a missing shard in the ${layout} layout without asking the hub`, async () => {
    await using caches = await startCaches();
    const { path } = await caches.download({ layout });
    await Deno.remove(await Deno.realPath(`${path}/model-00002-of-00002.safetensors`));
    const env = { AIM_CACHE_PATH: caches.cache, HF_HUB_OFFLINE: "1", HF_ENDPOINT: caches.hub.url };
    const asked = caches.hub.requests.length;
    const resolved = await aim(["resolve", "org/model"], { env });
    assertEquals(resolved.code, 5);
    assertMatch(resolved.stdout, /refused .*: model-00002-of-00002\.safetensors is missing/);
    const { code, stderr } = await serve(caches, caches.cache, "org/model");
    assertEquals(code, 5, stderr);
    assertMatch(stderr, /HF_HUB_OFFLINE is on .*model-00002-of-00002\.safetensors is missing/);
    const dry = await aim(["dry-run", "--format", "json"], { env: { ...env, ...MODEL_ENV } });
    const [{ resolution }] = JSON.parse(dry.stdout);
    assertEquals(resolution.kind, "missing");
    assertEquals(caches.hub.requests.length, asked);
  });
}

Deno.test({
  name: `serving from the cache opens no socket to any network${
    installed("strace") ? "" : " (skipped: strace is not installed)"
  }`,
  ignore: !installed("strace"),
  async fn() {
    await using caches = await startCaches();
    for (const layout of LAYOUTS) {
      await caches.download({ layout });
      const trace = `${caches.cache}/../trace`;
      const { code, stdout } = await serve(caches, caches.cache, "org/model", [
        ...["strace", "-f", "-qq", "-o", trace, "-e", "trace=socket,connect"],
      ]);
      assertEquals(code, 0);
      assertMatch(stdout, /config\.json/);
      assertEquals((await Deno.readTextFile(trace)).match(/AF_INET6?|AF_PACKET/g), null);
      await Deno.remove(layout === "local" ? `${caches.cache}/org` : `${caches.cache}/hub`, {
        recursive: true,
      });
    }
  },
});

Deno.test("resolve, dry-run and serve find the same model for every state of the two layouts", async () => {
  for (const local of ["none", "whole", "partial"]) {
    for (const hub of ["none", "whole", "partial"]) {
      await using caches = await startCaches();
      for (const [layout, state] of [["local", local], ["hub", hub]] as const) {
        if (state === "none") continue;
        const { path } = await caches.download({ layout, force: true });
        if (state === "partial") await Deno.remove(await Deno.realPath(`${path}/config.json`));
      }
      const env = { AIM_CACHE_PATH: caches.cache, HF_HUB_OFFLINE: "1", ...MODEL_ENV };
      const expected = local === "whole" ? "path" : hub === "whole" ? "hub" : "missing";
      const found = await resolveModel({ paths: caches.paths, name: "org/model" });
      assertEquals(found.kind, expected, `${local} ${hub}`);
      const [resolved, dry, serving] = await Promise.all([
        aim(["resolve", "--format", "json"], { env }),
        aim(["dry-run", "--format", "json"], { env }),
        serve(caches, caches.cache, "org/model"),
      ]);
      const { schemaVersion: _, model: __, profile: ___, ...shown } = JSON.parse(resolved.stdout);
      assertEquals(shown, JSON.parse(JSON.stringify(found)));
      assertEquals(JSON.parse(dry.stdout)[0].resolution.kind, expected);
      assertEquals(serving.code, expected === "missing" ? 5 : 0, serving.stderr);
      assertEquals(resolved.code, expected === "missing" ? 5 : 0);
    }
  }
});

const MODEL_ENV = { AIM_MODEL_ID: "org/model", AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1" };

/** Digest and path of each file that the engine reads, in an empty network namespace if available. */
async function served(caches: Caches, cache: string, model: string): Promise<string[]> {
  const { code, stdout, stderr } = await serve(
    caches,
    cache,
    model,
    NAMESPACE ? ["unshare", "-r", "-n"] : [],
  );
  assertEquals(code, 0, stderr);
  return stdout.trim().split("\n");
}

async function serve(
  caches: Caches,
  cache: string,
  model: string,
  under: readonly string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const bin = `${caches.cache}/../bin`;
  await Deno.mkdir(bin, { recursive: true });
  await Deno.writeTextFile(`${bin}/python`, ENGINE, { mode: 0o755 });
  const [command = "", ...args] = [...under, ...AIM_COMMAND, "serve"];
  const plain = plainEnvironment();
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    clearEnv: true,
    env: {
      ...plain,
      PATH: `${bin}:${plain.PATH}`,
      ...MODEL_ENV,
      AIM_MODEL_ID: model,
      AIM_CACHE_PATH: cache,
      HF_HUB_OFFLINE: "1",
    },
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

function digestsOf(files: typeof MODEL): string[] {
  const lines = [...asBytes(files)].map(([path, bytes]) =>
    `${createHash("sha256").update(bytes).digest("hex")}  ./${path}`
  );
  assert(lines.length > 0);
  return lines.sort();
}

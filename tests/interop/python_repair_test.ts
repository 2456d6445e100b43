// Models downloaded by Python's client, without aim's records, are verified and repaired with Python's
// metadata.
import { assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { asBytes, LAYOUTS, MODEL, modelFiles, startCaches } from "../cache/caches.ts";
import { pythonEnv } from "./python_env.ts";

const env = await pythonEnv("hub", ["huggingface_hub==2.4.0", "hf-xet==1.8.0"]);
const ignore = typeof env !== "string";
const where = typeof env === "string" ? "huggingface_hub 2.4.0" : `ignored: ${env.skip}`;
const SHARD = "model-00002-of-00002.safetensors";

const SNAPSHOT = `
import sys
from huggingface_hub import snapshot_download
layout, cache = sys.argv[1:3]
where = {"local_dir": cache + "/org/model"} if layout == "local" else {"cache_dir": cache + "/hub"}
print(snapshot_download("org/model", **where))
`;

for (const layout of LAYOUTS) {
  Deno.test({
    name:
      `aim verifies and repairs a model that Python downloaded into the ${layout} layout, and Python then transfers no file (${where})`,
    ignore,
    async fn() {
      await using caches = await startCaches();
      const python = async () => {
        const { success, stdout, stderr } = await new Deno.Command(`${env}/bin/python3`, {
          args: ["-c", SNAPSHOT, layout, caches.cache],
          clearEnv: true,
          env: {
            HOME: caches.cache,
            HF_ENDPOINT: caches.hub.url,
            HF_HUB_DISABLE_PROGRESS_BARS: "1",
            HF_HUB_DISABLE_TELEMETRY: "1",
          },
        }).output();
        if (!success) throw new Error(new TextDecoder().decode(stderr));
        return new TextDecoder().decode(stdout).trim();
      };
      const path = await python();
      const resolve = async () =>
        (await aim(["resolve", "org/model", "--gpu-model", "MI300X"], { env: caches.env })).code;
      assertEquals(await resolve(), 0);
      assertEquals((await aim(["cache", "verify"], { env: caches.env })).code, 0);
      const shard = await Deno.realPath(`${path}/${SHARD}`);
      const { mtime } = await Deno.stat(shard);
      const bytes = await Deno.readFile(shard);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await Deno.writeFile(shard, bytes);
      // Like silent disk corruption.
      await Deno.utime(shard, mtime ?? new Date(), mtime ?? new Date());
      assertEquals((await aim(["cache", "verify"], { env: caches.env })).code, 8);
      assertEquals(await resolve(), 5);
      const before = caches.bytesSent();
      const repaired = await aim(["cache", "verify", "--repair"], { env: caches.env });
      assertEquals(repaired.code, 0, repaired.stderr);
      assertEquals(caches.bytesSent() - before, bytes.length);
      assertEquals(await resolve(), 0);
      assertEquals(await modelFiles(path), asBytes(MODEL));
      assertEquals(await python(), path);
      assertEquals(caches.bytesSent() - before, bytes.length);
    },
  });
}

import { assertEquals, assertNotEquals } from "@std/assert";
import { asBytes, HUB_MODEL, LAYOUTS, MODEL, modelFiles, S3_MODEL, startCaches } from "./caches.ts";

for (const uri of [HUB_MODEL, S3_MODEL]) {
  for (const first of LAYOUTS) {
    const second = first === "local" ? "hub" : "local";
    Deno.test(`${uri} in the ${first} layout is hard-linked into the ${second} layout without a download`, async () => {
      await using caches = await startCaches();
      const one = await caches.download({ layout: first, uri });
      const before = caches.bytesSent();
      const two = await caches.download({ layout: second, uri });
      assertEquals(caches.bytesSent() - before, 0);
      assertEquals(two.bytesMoved, 0);
      assertEquals(await modelFiles(two.path), asBytes(MODEL));
      for (const path of Object.keys(MODEL)) {
        const [a, b] = await Promise.all([
          Deno.stat(`${one.path}/${path}`),
          Deno.stat(`${two.path}/${path}`),
        ]);
        // The two config files have the same content: one blob, but two files in a local directory.
        if (!path.includes("config")) assertEquals([a.ino, a.dev], [b.ino, b.dev], path);
      }
    });

    Deno.test(`a corrupted file of ${uri} in the ${first} layout is downloaded, not linked, into the ${second} layout`, async () => {
      await using caches = await startCaches();
      const one = await caches.download({ layout: first, uri });
      const shard = "model-00001-of-00002.safetensors";
      const bytes = await Deno.readFile(`${one.path}/${shard}`);
      bytes[1000] = (bytes[1000] ?? 0) ^ 1;
      await Deno.writeFile(await Deno.realPath(`${one.path}/${shard}`), bytes);
      const before = caches.bytesSent();
      const two = await caches.download({ layout: second, uri });
      assertEquals(caches.bytesSent() - before, bytes.length);
      assertEquals(await modelFiles(two.path), asBytes(MODEL));
      assertNotEquals(
        (await Deno.stat(`${one.path}/${shard}`)).ino,
        (await Deno.stat(`${two.path}/${shard}`)).ino,
      );
    });
  }
}

Deno.test("--force downloads every file even if the other layout has it", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "local" });
  const before = caches.bytesSent();
  await caches.download({ layout: "hub", force: true });
  const all = [...asBytes(MODEL).values()].reduce((sum, bytes) => sum + bytes.length, 0);
  assertEquals(caches.bytesSent() - before, all - (asBytes(MODEL).get("config.json")?.length ?? 0));
});

Deno.test("a symbolic link to a file elsewhere is not linked into the other layout", async () => {
  await using caches = await startCaches();
  const { path } = await caches.download({ layout: "local" });
  const shard = `${path}/model-00002-of-00002.safetensors`;
  await Deno.rename(shard, `${caches.cache}/elsewhere`);
  await Deno.symlink(`${caches.cache}/elsewhere`, shard);
  const before = caches.bytesSent();
  await caches.download({ layout: "hub" });
  assertEquals(caches.bytesSent() - before, (await Deno.stat(`${caches.cache}/elsewhere`)).size);
});

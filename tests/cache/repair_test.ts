// A file that `cache verify` marks bad is not served until it is repaired; a repair fetches only bad files.
import { assert, assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import {
  asBytes,
  type Caches,
  HUB_MODEL,
  LAYOUTS,
  MODEL,
  modelFiles,
  run,
  S3_MODEL,
  startCaches,
} from "./caches.ts";

const SHARD = "model-00002-of-00002.safetensors";

/** Changes one byte of the shard's data; its size and header stay valid. */
async function damage(path: string, file = SHARD): Promise<void> {
  const shard = await Deno.realPath(`${path}/${file}`);
  const bytes = await Deno.readFile(shard);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await Deno.writeFile(shard, bytes);
}

async function kindOf({ env }: Caches): Promise<string> {
  const ran = await aim(["resolve", "org/model", "--json"], { env });
  return JSON.parse(ran.stdout).kind;
}

for (const uri of [HUB_MODEL, S3_MODEL]) {
  for (const layout of LAYOUTS) {
    Deno.test(`a bad shard of ${uri} in the ${layout} layout is not served until it is repaired`, async () => {
      await using caches = await startCaches();
      const { env } = caches;
      const { path, commit } = await caches.download({ layout, uri });
      await damage(path);
      await Deno.remove(await Deno.realPath(`${path}/tokenizer.json`));
      await Deno.writeTextFile(`${path}/notes.txt`, "mine");
      const found = await aim(["cache", "verify", "--json"], { env });
      assertEquals(found.code, 8, found.stderr);
      const states = (text: string) =>
        JSON.parse(text).models[0].findings.map((
          one: { path: string; state: string },
        ) => [one.path, one.state]).sort();
      assertEquals(states(found.stdout), [[SHARD, "bad"], ["notes.txt", "unknown"], [
        "tokenizer.json",
        "missing",
      ]]);
      // A new modification time does not clear the mark.
      await run("touch", "-h", `${path}/${SHARD}`);
      assertEquals(await kindOf(caches), "missing");
      const before = caches.bytesSent();
      const repaired = await aim(["cache", "verify", "--repair", "--json", "org/model"], { env });
      assertEquals(repaired.code, 0, repaired.stderr);
      const [model] = JSON.parse(repaired.stdout).models;
      assertEquals([...model.repaired].sort(), [SHARD, "tokenizer.json"]);
      // Only the two files were downloaded.
      const bytes = asBytes(MODEL);
      assertEquals(
        caches.bytesSent() - before,
        (bytes.get(SHARD)?.length ?? 0) + (bytes.get("tokenizer.json")?.length ?? 0),
      );
      assert(await kindOf(caches) !== "missing");
      const files = await modelFiles(path);
      files.delete("notes.txt");
      assertEquals(files, bytes);
      // The revision is unchanged and nothing is left to download.
      const again = await caches.download({ layout, uri });
      assertEquals([again.path, again.commit, again.bytesMoved], [path, commit, 0]);
      const list = JSON.parse((await aim(["cache", "list", "--json"], { env })).stdout);
      assertEquals([list.folders[0].models[0].state, list.folders[0].models[0].revision], [
        "complete",
        uri === S3_MODEL && layout === "local" ? null : "main",
      ]);
    });
  }
}

for (const layout of LAYOUTS) {
  Deno.test(`a repeated download also repairs a bad file in the ${layout} layout`, async () => {
    await using caches = await startCaches();
    const { path } = await caches.download({ layout });
    await damage(path);
    assertEquals((await aim(["cache", "verify"], { env: caches.env })).code, 8);
    const { bytesMoved } = await caches.download({ layout });
    assertEquals(bytesMoved, asBytes(MODEL).get(SHARD)?.length);
    assert(await kindOf(caches) !== "missing");
    assertEquals(await modelFiles(path), asBytes(MODEL));
  });

  Deno.test(`a bad file that was replaced by hand is served once cache verify has passed, in the ${layout} layout`, async () => {
    await using caches = await startCaches();
    const { path } = await caches.download({ layout });
    await damage(path);
    assertEquals((await aim(["cache", "verify"], { env: caches.env })).code, 8);
    await damage(path);
    assertEquals(await kindOf(caches), "missing");
    assertEquals((await aim(["cache", "verify"], { env: caches.env })).code, 0);
    assert(await kindOf(caches) !== "missing");
  });

  Deno.test(`an old snapshot in the ${layout} layout is repaired at its own commit, and no ref changes`, async () => {
    await using caches = await startCaches();
    const { path, commit } = await caches.download({ layout });
    await caches.hub.push("org/model", "config.json", '{"model_type":"new"}\n');
    if (layout === "hub") await caches.download({ layout });
    await damage(path);
    const ran = await aim(["cache", "verify", "--repair"], { env: caches.env });
    assertEquals(ran.code, 0, ran.stderr);
    assertEquals(await modelFiles(path), asBytes(MODEL));
    if (layout === "hub") {
      const ref = await Deno.readTextFile(`${caches.paths.hfHubCache}/models--org--model/refs/main`);
      assertEquals(ref, caches.hub.commit("org/model"));
      assert(ref !== commit);
    }
  });
}

Deno.test("a repair does not mix in files of a bucket that has changed since", async () => {
  await using caches = await startCaches();
  const { path } = await caches.download({ layout: "local", uri: S3_MODEL });
  await damage(path);
  await caches.s3.put("models", "org/model/config.json", '{"model_type":"new"}');
  const ran = await aim(["cache", "verify", "--repair"], { env: caches.env });
  assertEquals(ran.code, 8, ran.stderr);
  assert(ran.stderr.includes("config.json"), ran.stderr);
  assertEquals(await kindOf(caches), "missing");
});

Deno.test("a repair does not touch a model without a known source", async () => {
  await using caches = await startCaches();
  const path = `${caches.cache}/by/hand`;
  await Deno.mkdir(path, { recursive: true });
  await Deno.writeTextFile(`${path}/config.json`, "{}");
  await Deno.writeFile(`${path}/model.safetensors`, new Uint8Array(100));
  const ran = await aim(["cache", "verify", "--repair"], { env: caches.env });
  assertEquals(ran.code, 5, ran.stderr);
  assertEquals((await Deno.stat(`${path}/model.safetensors`)).size, 100);
});

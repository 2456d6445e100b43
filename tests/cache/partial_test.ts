// An incomplete model is not served, and the reason names what is missing.
import { safetensorsBytes } from "../servers/content.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { HUB_MODEL, LAYOUTS, MODEL, modelFiles, S3_MODEL, startCaches } from "./caches.ts";

/** Filters, and why the filtered model cannot be served. */
const FILTERED: readonly [include: readonly string[], reason: RegExp | null][] = [
  [["*.json"], /model-00001-of-00002\.safetensors is missing .*1 more|without weights/],
  [["tokenizer.json"], /without weights/],
  [["*.safetensors"], /config\.json is missing/],
  [["config.json", "model-00001*"], /model-00002-of-00002\.safetensors is missing/],
  [["config.json", "model-00001*", "*.index.json"], /model-00002-of-00002\.safetensors is missing/],
  [["config.json", "*.safetensors"], null],
];

for (const uri of [HUB_MODEL, S3_MODEL]) {
  for (const layout of LAYOUTS) {
    Deno.test(`a filtered download of ${uri} in the ${layout} layout is served only if weights and configuration are complete`, async () => {
      await using caches = await startCaches();
      for (const [include, reason] of FILTERED) {
        await caches.download({ layout, uri, include });
        const found = await resolveModel({ paths: caches.paths, name: "org/model" });
        assertEquals(found.kind === "missing", reason !== null, `${include}: ${JSON.stringify(found)}`);
        if (reason !== null) assertMatch(found.looked[layout === "local" ? 0 : 1]?.reason ?? "", reason);
        await Deno.remove(caches.cache, { recursive: true });
      }
    });
  }
}

Deno.test("a directory in place of one of the model's files is refused before the first byte", async () => {
  await using caches = await startCaches();
  for (const uri of [HUB_MODEL, S3_MODEL]) {
    const path = `${caches.cache}/org/model`;
    await Deno.mkdir(`${path}/config.json`, { recursive: true });
    const error = await assertRejects(() => caches.download({ layout: "local", uri }), AimError);
    assertEquals(error.kind, "no-space");
    assert(error.message.includes(`${path}/config.json is a directory`), error.message);
    assertEquals([...(await modelFiles(path)).keys()], []);
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("an update from a bucket removes shards from the local directory that the bucket no longer has", async () => {
  await using caches = await startCaches();
  const { path } = await caches.download({ layout: "local", uri: S3_MODEL });
  await Deno.writeTextFile(`${path}/notes.txt`, "mine");
  for (
    const file of [
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ]
  ) {
    caches.s3.remove("models", `org/model/${file}`);
  }
  await caches.s3.put("models", "org/model/model.safetensors", safetensorsBytes(300));
  await caches.download({ layout: "local", uri: S3_MODEL });
  const names = [...(await modelFiles(path)).keys()];
  assertEquals(names.filter((name) => /safetensors|notes/.test(name)), ["model.safetensors", "notes.txt"]);
  assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "path");
  // The same name from another source replaces the model.
  await caches.download({ layout: "local" });
  assertEquals([...(await modelFiles(path)).keys()], [...Object.keys(MODEL), "notes.txt"].sort());
});

Deno.test("a later download of a part of a bucket keeps the other files unless the bucket has changed", async () => {
  for (const layout of LAYOUTS) {
    await using caches = await startCaches();
    const download = (include: readonly string[]) => caches.download({ layout, uri: S3_MODEL, include });
    await download([]);
    assertEquals((await download(["config.json"])).bytesMoved, 0);
    assert((await resolveModel({ paths: caches.paths, name: "org/model" })).kind !== "missing");
  }
  await using caches = await startCaches();
  const download = (include: readonly string[]) =>
    caches.download({ layout: "local", uri: S3_MODEL, include });
  await download(["*.json"]);
  await download(["*.safetensors"]);
  assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "path");
  // Old weights with a new configuration are not a model.
  await caches.s3.put("models", "org/model/config.json", '{"model_type":"other"}');
  await download(["config.json"]);
  assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "missing");
});

Deno.test("a local directory that Python's client is downloading into is refused until every file is complete", async () => {
  await using caches = await startCaches({
    files: { "config.json": "{}", "model.safetensors": safetensorsBytes(200) },
  });
  const { path } = await caches.download({ layout: "local" });
  await Deno.remove(`${path}/.aim`, { recursive: true });
  const { paths } = caches;
  assertEquals((await resolveModel({ paths, name: "org/model" })).kind, "path");
  // Names used by Python's versions, newest first.
  const etag = "f".repeat(40);
  const partials = [
    `Zm9v.${etag}.0123abcd.incomplete`,
    `Zm9v.${etag}.incomplete`,
    `tokenizer.json.${etag}.incomplete`,
  ];
  for (const partial of partials) {
    const file = `${path}/.cache/huggingface/download/${partial}`;
    await Deno.writeTextFile(file, "half");
    const found = await resolveModel({ paths, name: "org/model" });
    assertEquals(found.kind, "missing");
    assertMatch(
      found.looked[0]?.reason ?? "",
      /download is unfinished \(\.cache\/huggingface\/download\/.*incomplete\)/,
    );
    await Deno.remove(file);
  }
  // Left by an earlier attempt than the one that succeeded.
  const { sha256 } = caches.hub.digests("org/model", "model.safetensors");
  for (const partial of [`Zm9v.${sha256}.0123abcd.incomplete`, `Zm9v.${sha256}.incomplete`]) {
    await Deno.writeTextFile(`${path}/.cache/huggingface/download/${partial}`, "half");
  }
  assertEquals((await resolveModel({ paths, name: "org/model" })).kind, "path");
});

for (const layout of LAYOUTS) {
  Deno.test(`any missing or truncated file makes a model in the ${layout} layout partial, and the reason names it`, async () => {
    await using caches = await startCaches();
    const { path } = await caches.download({ layout });
    for (const file of (await modelFiles(path)).keys()) {
      const real = await Deno.realPath(`${path}/${file}`);
      const bytes = await Deno.readFile(real);
      for (const damage of ["gone", "cut"]) {
        if (damage === "gone") await Deno.remove(real);
        else await Deno.writeFile(real, bytes.slice(1));
        const found = await resolveModel({ paths: caches.paths, name: "org/model" });
        assertEquals(found.kind, "missing", file);
        const reason = found.looked[layout === "local" ? 0 : 1]?.reason ?? "";
        // Files with the same content share a blob.
        const named = file.includes("config.json") && layout === "hub" ? "config.json" : file;
        assert(reason.includes(named), `${file}: ${reason}`);
        await Deno.writeFile(real, bytes);
      }
    }
    assert((await resolveModel({ paths: caches.paths, name: "org/model" })).kind !== "missing");
    assertEquals((await modelFiles(path)).size, Object.keys(MODEL).length);
  });

  Deno.test(`an unreadable model in the ${layout} layout is reported as missing`, async () => {
    await using caches = await startCaches();
    await caches.download({ layout });
    const folder = layout === "local"
      ? `${caches.cache}/org/model`
      : `${caches.cache}/hub/models--org--model/refs/main`;
    await Deno.remove(folder, { recursive: true });
    // A folder in place of a file, or a link to itself.
    if (layout === "hub") await Deno.mkdir(folder);
    else await Deno.symlink("model", folder);
    const found = await resolveModel({ paths: caches.paths, name: "org/model" });
    assertEquals(found.kind, "missing");
    assertEquals(found.looked.length, 2);
  });
}

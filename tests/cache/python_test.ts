// Compatibility with Python's huggingface_hub (`_local_folder.py`, `file_download.py`,
// `_snapshot_download.py`) and with @huggingface/hub for JavaScript, which share the Hugging Face cache.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { scanCacheDir, snapshotDownload } from "@huggingface/hub";
import { HubPlacement } from "../../src/cache/hub_placement.ts";
import { listModels } from "../../src/cache/list_models.ts";
import { localPlacement } from "../../src/cache/local_placement.ts";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { inCache } from "../../src/download/download_report.ts";
import { asBytes, type Caches, LAYOUTS, MODEL, modelFiles, startCaches } from "./caches.ts";

const SHARD = "model-00001-of-00002.safetensors";

Deno.test("a download into the Hugging Face cache has the layout that Python's client writes", async () => {
  await using caches = await startCaches();
  const { path } = await caches.download({ layout: "hub" });
  const folder = `${caches.paths.hfHubCache}/models--org--model`;
  const commit = caches.hub.commit("org/model");
  assertEquals(path, `${folder}/snapshots/${commit}`);
  // Without a line break, as Python writes it.
  assertEquals(await Deno.readTextFile(`${folder}/refs/main`), commit);
  for (const file of Object.keys(MODEL)) {
    const { sha256, gitSha1 } = caches.hub.digests("org/model", file);
    const etag = /safetensors$/.test(file) ? sha256 : gitSha1;
    const up = "../".repeat(file.split("/").length + 1);
    assertEquals(await Deno.readLink(`${path}/${file}`), `${up}blobs/${etag}`);
  }
  const names = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
  assertEquals(names, [".aim", "blobs", "refs", "snapshots"]);
  assertEquals(await modelFiles(path), asBytes(MODEL));
});

Deno.test("a download into a local directory has the metadata that Python's client reads", async () => {
  await using caches = await startCaches();
  const { path } = await caches.download({ layout: "local" });
  const commit = caches.hub.commit("org/model");
  for (const file of Object.keys(MODEL)) {
    assertEquals(readByPython(path, file), { commit, etag: etagOf(caches, file) }, file);
  }
  assertEquals(await Deno.readTextFile(`${path}/.cache/huggingface/.gitignore`), "*");
});

for (const layout of LAYOUTS) {
  Deno.test(`a model that Python wrote in the ${layout} layout is used without a download`, async () => {
    await using caches = await startCaches();
    const path = await (layout === "local" ? writeLocal(caches) : writeHub(caches));
    const resolution = await resolveModel({ paths: caches.paths, name: "org/model" });
    assertEquals(resolution.kind, layout === "local" ? "path" : "hub");
    assertEquals((await listModels(caches.paths))[0]?.models[0]?.state, "unverified");
    const before = caches.bytesSent();
    const report = await caches.download({ layout });
    assertEquals([caches.bytesSent() - before, report.bytesMoved], [0, 0]);
    assertEquals(report.path, path);
    assertEquals(await modelFiles(path), asBytes(MODEL));
    assertEquals((await listModels(caches.paths))[0]?.models[0]?.state, "complete");
  });
}

Deno.test("a file in a local directory that was changed after Python wrote it is fetched again", async () => {
  await using caches = await startCaches();
  const path = await writeLocal(caches);
  const bytes = asBytes(MODEL).get(SHARD)?.map((byte, at) => at === 5 ? byte ^ 1 : byte) ?? new Uint8Array();
  await Deno.writeFile(`${path}/${SHARD}`, bytes);
  await Deno.utime(`${path}/${SHARD}`, Date.now() / 1000 + 60, Date.now() / 1000 + 60);
  const before = caches.bytesSent();
  await caches.download({ layout: "local" });
  assertEquals(caches.bytesSent() - before, bytes.length);
  assertEquals(await modelFiles(path), asBytes(MODEL));
});

Deno.test("the JavaScript client finds every file that aim downloaded into the Hugging Face cache, and downloads nothing", async () => {
  await using caches = await startCaches();
  const { path } = await caches.download({ layout: "hub" });
  const before = caches.bytesSent();
  const found = await snapshotDownload({
    repo: "org/model",
    revision: "main",
    cacheDir: caches.paths.hfHubCache,
    hubUrl: caches.hub.url,
  });
  assertEquals([found, caches.bytesSent() - before], [path, 0]);
  const { repos, warnings } = await scanCacheDir(caches.paths.hfHubCache);
  assertEquals(warnings, []);
  assertEquals(repos.map((repo) => repo.id.name), ["org/model"]);
  const [revision] = repos[0]?.revisions ?? [];
  assertEquals(revision?.commitOid, caches.hub.commit("org/model"));
  assertEquals(revision?.refs, ["main"]);
});

Deno.test("aim uses a model that the JavaScript client downloaded", async () => {
  await using caches = await startCaches();
  await Deno.mkdir(caches.paths.hfHubCache, { recursive: true });
  const options = {
    repo: "org/model",
    revision: "main",
    cacheDir: caches.paths.hfHubCache,
    hubUrl: caches.hub.url,
  };
  const path = await snapshotDownload(options);
  const before = caches.bytesSent();
  const report = await caches.download({ layout: "hub" });
  assertEquals([report.path, caches.bytesSent() - before], [path, 0]);
  assertEquals(await modelFiles(path), asBytes(MODEL));
});

Deno.test("a second revision is stored next to the first, and shared files are stored once", async () => {
  await using caches = await startCaches({
    refs: { "feature/x": { ...MODEL, "config.json": '{"model_type":"other"}\n' } },
  });
  const first = await caches.download({ layout: "hub" });
  const before = caches.bytesSent();
  const second = await caches.download({ layout: "hub", revision: "feature/x" });
  assertEquals(caches.bytesSent() - before, '{"model_type":"other"}\n'.length);
  const folder = `${caches.paths.hfHubCache}/models--org--model`;
  assertEquals(await Deno.readTextFile(`${folder}/refs/feature/x`), second.commit);
  assertEquals(await Deno.readTextFile(`${folder}/refs/main`), first.commit);
  const [a, b] = await Promise.all([first, second].map(({ path }) => Deno.stat(`${path}/${SHARD}`)));
  assertEquals(a?.ino, b?.ino);
  const resolution = await resolveModel({ paths: caches.paths, name: "org/model", revision: "feature/x" });
  assertEquals(resolution.kind === "hub" && resolution.snapshot, second.path);
});

Deno.test("a revision pinned by commit writes no ref and is found by its commit", async () => {
  await using caches = await startCaches();
  const commit = caches.hub.commit("org/model");
  const { path } = await caches.download({ layout: "hub", revision: commit });
  assertEquals([...Deno.readDirSync(`${caches.paths.hfHubCache}/models--org--model/refs`)], []);
  const { paths } = caches;
  assertEquals((await resolveModel({ paths, name: "org/model" })).kind, "missing");
  const found = await resolveModel({ paths, name: "org/model", revision: commit });
  assertEquals(found.kind === "hub" && found.snapshot, path);
});

Deno.test("Python's locks and its records of missing files (.no_exist) are left alone", async () => {
  await using caches = await startCaches();
  const commit = caches.hub.commit("org/model");
  const note = `${caches.paths.hfHubCache}/models--org--model/.no_exist/${commit}/chat_template.json`;
  const lock = `${caches.paths.hfHubCache}/.locks/models--org--model/0123.lock`;
  for (const path of [note, lock]) {
    await Deno.mkdir(path.replace(/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(path, "");
  }
  await caches.download({ layout: "hub" });
  for (const path of [note, lock]) assert((await Deno.stat(path)).isFile);
  assertEquals((await listModels(caches.paths)).map(({ name }) => name), ["org/model"]);
});

Deno.test("an update that Python did not finish is refused; the older complete revision is still found by commit", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "hub" });
  const folder = `${caches.paths.hfHubCache}/models--org--model`;
  const commit = "b".repeat(40);
  // Python writes the ref first, then file by file.
  await Deno.writeTextFile(`${folder}/refs/main`, commit);
  await Deno.mkdir(`${folder}/snapshots/${commit}`);
  await Deno.writeTextFile(`${folder}/snapshots/${commit}/config.json`, "{}");
  await Deno.writeTextFile(`${folder}/blobs/${"c".repeat(64)}.incomplete`, "half");
  const { paths } = caches;
  const refused = await resolveModel({ paths, name: "org/model" });
  assertEquals(refused.kind, "missing");
  assertEquals(refused.looked[1]?.state, "partial");
  const whole = await resolveModel({ paths, name: "org/model", revision: caches.hub.commit("org/model") });
  assertEquals(whole.kind, "hub");
});

Deno.test("a Python snapshot with a truncated file is refused based on Python's listing", async () => {
  await using caches = await startCaches();
  const path = await writeHub(caches);
  const { paths } = caches;
  const trees = `${paths.hfHubCache}/models--org--model/trees`;
  await Deno.mkdir(trees);
  const listing = (files: unknown) =>
    Deno.writeTextFile(
      `${trees}/${caches.hub.commit("org/model")}.json`,
      JSON.stringify({ version: 1, files }),
    );
  const sizes = [...asBytes(MODEL)].map(([file, bytes]) =>
    [file, { size: bytes.length, blob_id: "x" }] as const
  );
  for (const odd of [null, [], { "config.json": null }]) {
    await listing(odd);
    assertEquals((await resolveModel({ paths, name: "org/model" })).kind, "hub");
  }
  // The listing also contains files that were not requested.
  await listing(Object.fromEntries([...sizes, ["pytorch_model.bin", { size: 7, blob_id: "y" }]]));
  assertEquals((await resolveModel({ paths, name: "org/model" })).kind, "hub");
  await Deno.writeTextFile(await Deno.realPath(`${path}/tokenizer.json`), "{");
  const refused = await resolveModel({ paths, name: "org/model" });
  assertEquals(refused.kind, "missing");
  assertMatch(refused.looked[1]?.reason ?? "", /^tokenizer\.json has 1 bytes instead of 3$/);
});

Deno.test("a partial file is ignored if its blob is complete", async () => {
  await using caches = await startCaches();
  await writeHub(caches);
  const blobs = `${caches.paths.hfHubCache}/models--org--model/blobs`;
  await Deno.writeTextFile(`${blobs}/${etagOf(caches, SHARD)}.incomplete`, "half");
  assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "hub");
});

Deno.test("a second download with different filters keeps the files of the first, in both layouts", async () => {
  await using caches = await startCaches();
  for (const layout of LAYOUTS) {
    await caches.download({ layout, include: ["*.json"] });
    const { paths } = caches;
    const { signal } = new AbortController();
    const placement = layout === "local"
      ? localPlacement({ paths, name: "org/model" })
      : new HubPlacement({ paths, name: "org/model" });
    assertEquals(await inCache(placement, { signal }), null);
    await caches.download({ layout, include: ["*.safetensors"] });
    assertEquals((await inCache(placement, { signal }))?.files, 7);
  }
});

Deno.test("a local directory that moves to another commit keeps no files of the old one", async () => {
  await using caches = await startCaches();
  const { path } = await caches.download({ layout: "local" });
  await Deno.writeTextFile(`${path}/notes.txt`, "mine");
  await caches.hub.push("org/model", SHARD, null);
  await caches.hub.push("org/model", "model-00002-of-00002.safetensors", null);
  await caches.hub.push("org/model", "model.safetensors.index.json", null);
  await caches.hub.push("org/model", "weights.safetensors", "one file now");
  await caches.download({ layout: "local" });
  assertEquals([...(await modelFiles(path)).keys()], [
    "config.json",
    "copy of config.json",
    "nested/deeper/größe.json",
    "notes.txt",
    "tokenizer.json",
    "weights.safetensors",
  ]);
});

function etagOf(caches: Caches, file: string): string {
  const { sha256, gitSha1 } = caches.hub.digests("org/model", file);
  return /safetensors$/.test(file) ? sha256 : gitSha1;
}

/** Like `read_download_metadata`, which ignores metadata that is over a second older than the file. */
function readByPython(directory: string, file: string): { commit: string; etag: string } | null {
  const text = Deno.readTextFileSync(`${directory}/.cache/huggingface/download/${file}.metadata`);
  const [commit = "", etag = "", time = "", rest] = text.split("\n");
  assertMatch(time, /^\d+(\.\d+)?$/);
  assertEquals(rest, "");
  const modified = (Deno.statSync(`${directory}/${file}`).mtime?.getTime() ?? 0) / 1000;
  return modified - 1 <= Number(time) ? { commit, etag } : null;
}

/** A local directory as `snapshot_download(local_dir=…)` leaves it. */
async function writeLocal(caches: Caches): Promise<string> {
  const path = `${caches.cache}/org/model`;
  for (const [file, bytes] of asBytes(MODEL)) {
    await write(`${path}/${file}`, bytes);
    const text = `${caches.hub.commit("org/model")}\n${etagOf(caches, file)}\n${Date.now() / 1000}\n`;
    await write(`${path}/.cache/huggingface/download/${file}.metadata`, new TextEncoder().encode(text));
    await write(`${path}/.cache/huggingface/download/${file}.lock`, new Uint8Array());
  }
  return path;
}

/** The Hugging Face cache as `snapshot_download()` leaves it. */
async function writeHub(caches: Caches): Promise<string> {
  const folder = `${caches.paths.hfHubCache}/models--org--model`;
  const commit = caches.hub.commit("org/model");
  const path = `${folder}/snapshots/${commit}`;
  for (const [file, bytes] of asBytes(MODEL)) {
    const etag = etagOf(caches, file);
    await write(`${folder}/blobs/${etag}`, bytes);
    await Deno.mkdir(`${path}/${file}`.replace(/[^/]*$/, ""), { recursive: true });
    await Deno.symlink(`${"../".repeat(file.split("/").length + 1)}blobs/${etag}`, `${path}/${file}`);
  }
  await write(`${folder}/refs/main`, new TextEncoder().encode(commit));
  return path;
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.mkdir(path.replace(/[^/]*$/, ""), { recursive: true });
  await Deno.writeFile(path, bytes);
}

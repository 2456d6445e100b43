// Names and links that try to escape the cache: refused by name, never served, nothing is written outside.
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { cacheRoots } from "../../src/cache/cache_paths.ts";
import { HubPlacement } from "../../src/cache/hub_placement.ts";
import { listModels } from "../../src/cache/list_models.ts";
import { planPrune, planRemoval, removePlanned } from "../../src/cache/clean_cache.ts";
import { removeDamaged } from "../../src/cache/remove_damaged.ts";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { verifyModel } from "../../src/cache/verify_model.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { localNameOf } from "../../src/sources/local_name.ts";
import { parseModelRef } from "../../src/sources/model_ref.ts";
import {
  asBytes,
  type Caches,
  HUB_MODEL,
  LAYOUTS,
  MODEL,
  modelFiles,
  S3_MODEL,
  startCaches,
} from "./caches.ts";
import { treeOf } from "./tree_of.ts";

const paths = { cachePath: "/nowhere", hfHubCache: "/nowhere/hub", hfHome: "/nowhere" };

const NAMES = [
  ...["", ".", "..", "../x", "x/..", "org/../../x", "/etc", "/etc/x", "org/", "org//x", "a/b/c", "org/a\\b"],
  ...["org/a\0b", "org/a\nb", "org/\x1b[31m", "org/\ud800", `org/${"x".repeat(256)}`],
];

Deno.test("a hub model's name or a --model-name that would escape the cache is refused", () => {
  const ref = parseModelRef(S3_MODEL);
  for (const name of NAMES) {
    const error = assertThrows(() => localNameOf(ref, name), AimError);
    assertEquals(error.kind, "usage", name);
    assert(error.message.includes(JSON.stringify(name)), error.message);
    assertEquals(assertThrows(() => parseModelRef(`hf://${name}`), AimError).kind, "usage", name);
  }
});

Deno.test("a model reference or revision that would escape the cache is refused", async () => {
  for (
    const text of [
      "../x",
      "hf://../x",
      "hf://org/..",
      "s3://b/../x",
      "s3://../x",
      "org/a\nb",
      "s3://b/a\0b",
      "s3://b/a\\b",
    ]
  ) {
    assertThrows(() => parseModelRef(text), AimError);
  }
  for (const revision of ["..", "../x", "a/../b", "/x", "a\nb", "a\0b", "a\\b", "", ".", "x/"]) {
    assertThrows(() => new HubPlacement({ paths, name: "org/model", revision }), AimError);
    await assertRejects(() => resolveModel({ paths, name: "org/model", revision }), AimError);
  }
});

Deno.test("a source file whose path would escape the model is refused by name before anything is written", async () => {
  for (
    const path of [
      "../evil",
      "nested/../../evil",
      "/evil",
      "..",
      "a\nb",
      "a\\b",
      "a\0b",
      "nested//evil",
      "lost+found/x",
      "a\u009bb",
      "a\u202eb",
    ]
  ) {
    for (
      const [uri, layout] of [[HUB_MODEL, "local"], [HUB_MODEL, "hub"], [S3_MODEL, "local"], [
        S3_MODEL,
        "hub",
      ]] as const
    ) {
      // In an S3 key, two slashes in a row count as one.
      if (uri === S3_MODEL && ["/evil", "nested//evil"].includes(path)) continue;
      await using caches = await startCaches({ files: { ...MODEL, [path]: "evil" } });
      await Deno.mkdir(caches.cache, { recursive: true });
      const error = await assertRejects(
        () => caches.download({ layout, uri }),
        AimError,
        "",
        `${uri} ${layout} ${path}`,
      );
      assertEquals(error.kind, "integrity", `${uri} ${path}: ${error.message}`);
      assert(error.message.includes(JSON.stringify(path)), error.message);
      assertEquals(treeOf(caches.cache), []);
      assertEquals(treeOf(`${caches.cache}/..`), ["cache/"]);
    }
  }
});

Deno.test("a source's files that are named like the bookkeeping of aim or Python are not downloaded", async () => {
  const files = {
    ...MODEL,
    ".aim/manifest.json": '{"version":1}',
    ".aim/lock": "{}",
    ".cache/huggingface/download/config.json.metadata": "x\ny\n9e99\n",
  };
  for (const uri of [HUB_MODEL, S3_MODEL]) {
    for (const layout of LAYOUTS) {
      await using caches = await startCaches({ files });
      const { path } = await caches.download({ layout, uri });
      assertEquals(await modelFiles(path), asBytes(MODEL));
      assert((await resolveModel({ paths: caches.paths, name: "org/model" })).kind !== "missing");
      assertEquals((await caches.download({ layout, uri })).bytesMoved, 0);
    }
  }
});

/** A link in a cache with a complete model; its target is in `outside`, which has the same model. */
interface Planted {
  readonly layout: "local" | "hub";
  /** Below the cache; `COMMIT` and `BLOB` (config.json's) are placeholders. */
  readonly at: string;
  /** Below `outside`. */
  readonly to: string;
  /** A download replaces the link; otherwise it is refused. */
  readonly replaced?: true;
  /** The model is still served, because serving does not use the link. */
  readonly served?: true;
}

const HUB = "hub/models--org--model";
const PLANTED: readonly Planted[] = [
  { layout: "local", at: "org", to: "org" },
  { layout: "local", at: "org/model", to: "org/model" },
  { layout: "local", at: "org/model/.aim", to: "org/model/.aim" },
  { layout: "local", at: "org/model/.cache", to: "org/model/.cache" },
  { layout: "local", at: "org/model/nested", to: "org/model/nested" },
  { layout: "local", at: "org/model/nested/deeper", to: "org/model/nested/deeper" },
  { layout: "local", at: "org/model/config.json", to: "org/model/config.json", replaced: true },
  { layout: "hub", at: HUB, to: HUB },
  { layout: "hub", at: `${HUB}/blobs`, to: `${HUB}/blobs` },
  { layout: "hub", at: `${HUB}/snapshots`, to: `${HUB}/snapshots` },
  { layout: "hub", at: `${HUB}/snapshots/COMMIT`, to: `${HUB}/snapshots/COMMIT` },
  { layout: "hub", at: `${HUB}/snapshots/COMMIT/nested`, to: `${HUB}/snapshots/COMMIT/nested` },
  { layout: "hub", at: `${HUB}/snapshots/COMMIT/config.json`, to: `${HUB}/blobs/BLOB`, replaced: true },
  { layout: "hub", at: `${HUB}/blobs/BLOB`, to: `${HUB}/blobs/BLOB`, replaced: true },
  { layout: "hub", at: `${HUB}/refs`, to: `${HUB}/refs`, served: true },
  { layout: "hub", at: `${HUB}/.aim`, to: `${HUB}/.aim`, served: true },
];

for (const planted of PLANTED) {
  Deno.test(`a symlink planted at ${planted.at} (${planted.layout}) cannot escape the cache`, async () => {
    await using caches = await startCaches();
    const { at, outside } = await plant(caches, planted);
    const before = treeOf(outside);
    const found = await resolveModel({ paths: caches.paths, name: "org/model" });
    if (planted.served !== true) {
      assertEquals(found.kind, "missing", JSON.stringify(found));
      const reason = found.looked.map((place) => place.reason).join("; ");
      assertMatch(reason, /symbolic link that leads out of the cache, to .*outside|is missing/);
    }
    for (const folder of await listModels(caches.paths)) {
      for (const model of folder.models) {
        const { findings } = await verifyModel(model, { roots: cacheRoots(caches.paths) });
        if (planted.served !== true) {
          assert(findings.some(({ state }) => state !== "good"), JSON.stringify(findings));
        }
      }
    }
    // Downloads every file again, so that a write through the link would show.
    const downloading = caches.download({ layout: planted.layout, force: true });
    if (planted.replaced) {
      const { path } = await downloading;
      assert(!(await modelFiles(path)).has("missing"));
      assertEquals(
        (await resolveModel({ paths: caches.paths, name: "org/model" })).kind === "missing",
        false,
      );
    } else {
      const error = await assertRejects(() => downloading, AimError);
      assertEquals(error.kind, "no-space");
      assert(error.message.startsWith(`${at} is a symbolic link`), error.message);
    }
    assertEquals(treeOf(outside), before);
    const signal = new AbortController().signal;
    for (const plan of await planPrune(caches.paths)) await removePlanned(plan, signal).catch(onlyLinks);
    assertEquals(treeOf(outside), before);
    for (const folder of await listModels(caches.paths)) {
      await removePlanned(await planRemoval(folder), signal).catch(onlyLinks);
    }
    assertEquals(treeOf(outside), before);
  });
}

for (const layout of LAYOUTS) {
  Deno.test(`a link in the ${layout} layout to a file inside the cache is served`, async () => {
    await using caches = await startCaches();
    const { path } = await caches.download({ layout });
    const file = await Deno.realPath(`${path}/config.json`);
    const kept = `${caches.cache}/kept.json`;
    await Deno.rename(file, kept);
    await Deno.symlink(kept, file);
    assert((await resolveModel({ paths: caches.paths, name: "org/model" })).kind !== "missing");
  });
}

Deno.test("a cache directory that is itself a symlink is accepted", async () => {
  await using caches = await startCaches();
  for (const layout of LAYOUTS) await caches.download({ layout });
  const real = `${caches.cache}/../real`;
  await Deno.rename(caches.cache, real);
  await Deno.symlink("real", caches.cache);
  for (const layout of LAYOUTS) {
    assertEquals((await caches.download({ layout })).bytesMoved, 0);
    const place = layout === "hub" ? { ...caches.paths, cachePath: `${caches.cache}/none` } : caches.paths;
    assert((await resolveModel({ paths: place, name: "org/model" })).kind !== "missing");
  }
});

Deno.test("a ref that does not contain a commit is a missing revision", async () => {
  await using caches = await startCaches();
  const { commit } = await caches.download({ layout: "hub" });
  for (const text of ["../../../../etc", "", `${commit}\n`, `${commit}/..`, "main", "../refs"]) {
    await Deno.writeTextFile(`${caches.cache}/${HUB}/refs/main`, text);
    const found = await resolveModel({ paths: caches.paths, name: "org/model" });
    assertEquals(found.kind, "missing", JSON.stringify(text));
    assertMatch(found.looked[1]?.reason ?? "", /refs\/main does not contain a commit/);
  }
  await caches.download({ layout: "hub" });
  assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "hub");
});

Deno.test("a record with invalid paths, revisions or blobs makes the model damaged", async () => {
  await using caches = await startCaches();
  const { path } = await caches.download({ layout: "local" });
  const record = JSON.parse(await Deno.readTextFile(`${path}/.aim/manifest.json`));
  const [first] = record.files;
  const invalid = [
    { ...record, files: [{ ...first, path: "../../../etc/passwd" }] },
    { ...record, files: [{ ...first, path: "/etc/passwd" }] },
    { ...record, files: [{ ...first, size: -1 }] },
    { ...record, files: [{ ...first, blob: "../x" }] },
    { ...record, revision: "\x1b[2J" },
    { ...record, commit: 7 },
    { ...record, files: "all" },
    [],
    null,
  ];
  for (const one of invalid) {
    await Deno.writeTextFile(`${path}/.aim/manifest.json`, JSON.stringify(one));
    const [folder] = await listModels(caches.paths);
    assertEquals(folder?.models[0]?.state, "damaged", JSON.stringify(one)?.slice(0, 200));
  }
});

/** Downloads the model into the cache and outside of it, and plants the link. */
async function plant(caches: Caches, { layout, at, to }: Planted): Promise<{ at: string; outside: string }> {
  const outside = `${caches.cache}/../outside`;
  await caches.download({ layout });
  await caches.download({ layout, cache: outside });
  const commit = caches.hub.commit("org/model");
  const blob = caches.hub.digests("org/model", "config.json").gitSha1;
  const concrete = (path: string) => path.replace("COMMIT", commit).replace("BLOB", blob);
  const link = `${caches.cache}/${concrete(at)}`;
  await Deno.remove(link, { recursive: true });
  const real = await Deno.realPath(outside);
  await Deno.symlink(`${real}/${concrete(to)}`, link);
  return { at: link, outside: real };
}

/** Accepts an error that refuses a link; rethrows others. */
function onlyLinks(error: unknown): void {
  if (!(error instanceof AimError && /is a symbolic link/.test(error.message))) throw error;
}

Deno.test("a planted record and symlink cannot remove files outside of the model", async () => {
  for (const name of ["manifest.json", "unfinished.json", "damaged.json"]) {
    await using caches = await startCaches();
    const outside = `${caches.cache}/../outside`;
    const model = `${caches.cache}/org/model`;
    await Deno.mkdir(outside, { recursive: true });
    await Deno.mkdir(`${model}/.aim`, { recursive: true });
    await Deno.writeTextFile(`${outside}/victim.txt`, "victim\n");
    await Deno.symlink(outside, `${model}/sub`);
    const file = { path: "sub/victim.txt", size: 7, digest: null, etag: "x" };
    await Deno.writeTextFile(
      `${model}/.aim/${name}`,
      JSON.stringify(
        name === "damaged.json" ? { files: { "sub/victim.txt": "bad" }, foundAt: "2026-01-01T00:00:00Z" } : {
          ...{ version: 1, source: HUB_MODEL, revision: "main", commit: "0".repeat(40) },
          ...{ files: [file], fetching: [file], finishedAt: "2026-01-01T00:00:00Z" },
        },
      ),
    );
    await caches.download({ layout: "local" }).catch((error) => assertEquals(error.exitCode, 7, name));
    if (name === "damaged.json") {
      await removeDamaged(model, "local").catch((error) => assertEquals(error.exitCode, 7, name));
    }
    assertEquals(treeOf(outside), ["victim.txt = victim\n"], name);
  }
});

Deno.test("a folder that is swapped for a symlink during a download cannot escape the cache", async () => {
  for (const layout of LAYOUTS) {
    const files = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`sub/f${n}.json`, `${n}\n`]));
    await using caches = await startCaches({ files: { ...MODEL, ...files } });
    const outside = `${caches.cache}/../outside`;
    await Deno.mkdir(outside, { recursive: true });
    for (const path of Object.keys(files)) await Deno.writeTextFile(`${outside}/${path.slice(4)}`, "theirs");
    const before = treeOf(outside);
    const swapped = layout === "local" ? `${caches.cache}/org/model/sub` : `${caches.cache}/${HUB}/blobs`;
    const ended = new AbortController();
    const swap = (async () => {
      while (!ended.signal.aborted) {
        await new Promise((done) => setTimeout(done, 1));
        try {
          if (Deno.lstatSync(swapped).isSymlink) continue;
          Deno.renameSync(swapped, `${swapped}.away`);
          Deno.symlinkSync(outside, swapped);
        } catch { /* The folder does not exist yet. */ }
      }
    })();
    const error = await assertRejects(() => caches.download({ layout }), AimError);
    ended.abort();
    await swap;
    assertEquals(error.exitCode, 7, error.message);
    assertEquals(treeOf(outside), before);
  }
});

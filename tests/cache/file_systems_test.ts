// Caches on real file systems, each mounted for its test.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { listModels } from "../../src/cache/list_models.ts";
import { planPrune, planRemoval, removePlanned } from "../../src/cache/clean_cache.ts";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { isFault, verifyModel } from "../../src/cache/verify_model.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { safetensorsBytes } from "../servers/content.ts";
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
import { treeOf } from "./tree_of.ts";
import { mountVolume, REFUSED, VOLUME_KINDS, type VolumeKind } from "./volumes.ts";

/** All tests, as in CI, instead of a selection. */
const FULL = Deno.env.get("AIM_TEST_FULL") === "1";

/** A test on a file system; skipped, with the reason in its name, where this host cannot mount it. */
function onVolume(kind: VolumeKind, name: string, fn: () => Promise<void>): void {
  const refused = REFUSED[kind];
  const skipped = refused === null ? "" : ` (skipped: ${refused.split("\n")[0]})`;
  Deno.test({ name: `${kind}: ${name}${skipped}`, ignore: refused !== null, fn });
}

for (const kind of VOLUME_KINDS.filter((kind) => FULL || !["xfs", "tmpfs"].includes(kind))) {
  onVolume(
    kind,
    "a model in either layout from either source downloads once, resolves, verifies, has du's size and can be removed",
    async () => {
      await using caches = await startCaches();
      await using _ = await mountVolume(kind, caches.cache);
      for (const layout of LAYOUTS) {
        for (const uri of [HUB_MODEL, S3_MODEL]) {
          const { path, bytesMoved } = await caches.download({ layout, uri });
          assert(bytesMoved > 0);
          assertEquals(await modelFiles(path), asBytes(MODEL));
          const before = caches.bytesSent();
          assertEquals((await caches.download({ layout, uri })).bytesMoved, 0);
          assertEquals(caches.bytesSent(), before);
          const found = await resolveModel({ paths: caches.paths, name: "org/model" });
          assertEquals(found.kind, layout === "local" ? "path" : "hub");
          const [folder] = await listModels(caches.paths);
          assertEquals(folder?.diskBytes, await du(folder?.path ?? ""));
          for (const model of folder?.models ?? []) {
            const { findings } = await verifyModel(model);
            assertEquals(findings.filter(isFault), []);
            assert(findings.some(({ state }) => state === "good"));
          }
          assertEquals(await planPrune(caches.paths), []);
          await removeAll(caches);
          const left = treeOf(caches.cache).filter((name) => !/^lost\+found|^hub\/$/.test(name));
          assertEquals(left, []);
        }
      }
    },
  );

  onVolume(kind, "a model is converted to the other layout without a download", async () => {
    for (const first of LAYOUTS) {
      await using caches = await startCaches();
      await using _ = await mountVolume(kind, caches.cache);
      await caches.download({ layout: first });
      const before = caches.bytesSent();
      const { path } = await caches.download({ layout: first === "local" ? "hub" : "local" });
      assertEquals(caches.bytesSent(), before);
      assertEquals(await modelFiles(path), asBytes(MODEL));
    }
  });
}

for (const kind of ["exfat", "vfat"] as const) {
  onVolume(
    kind,
    "without symbolic links a snapshot contains the files themselves, as with Python's client",
    async () => {
      await using caches = await startCaches();
      await using _ = await mountVolume(kind, caches.cache);
      const { path } = await caches.download({ layout: "hub" });
      for (const file of Object.keys(MODEL)) {
        assert((await Deno.lstat(`${path}/${file}`)).isFile);
        await assertRejects(() => Deno.readLink(`${path}/${file}`));
      }
      // Moved, not copied: no file is stored twice.
      assertEquals([...Deno.readDirSync(`${caches.paths.hfHubCache}/models--org--model/blobs`)], []);
      // A second revision copies the files that it shares with the first.
      await caches.hub.push("org/model", "config.json", '{"model_type":"other"}\n');
      const before = caches.bytesSent();
      const second = await caches.download({ layout: "hub" });
      assertEquals(caches.bytesSent() - before, '{"model_type":"other"}\n'.length);
      assertEquals((await modelFiles(second.path)).size, Object.keys(MODEL).length);
      assertEquals(await modelFiles(path), asBytes(MODEL));
    },
  );

  onVolume(kind, "two files whose names differ only by case are refused by name", async () => {
    await using caches = await startCaches({ files: { ...MODEL, "README.md": "one", "readme.md": "two" } });
    await using _ = await mountVolume(kind, caches.cache);
    for (const layout of LAYOUTS) {
      const error = await assertRejects(() => caches.download({ layout }), AimError);
      assertEquals(error.kind, "integrity");
      assertMatch(error.message, /README\.md.*readme\.md|readme\.md.*README\.md|has 3 bytes|is gone/);
      assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "missing");
    }
  });
}

onVolume("ext4", "a model can have its own volume, whose lost+found is ignored", async () => {
  await using caches = await startCaches();
  const directory = `${caches.cache}/org/model`;
  await using _ = await mountVolume("ext4", directory);
  await Deno.stat(`${directory}/lost+found`);
  const empty = await resolveModel({ paths: caches.paths, name: "org/model" });
  assertEquals(empty.looked[0]?.state, "absent");
  assertMatch(empty.looked[0]?.reason ?? "", /no file/);
  await caches.download({ layout: "local" });
  // Nothing was staged outside of the volume.
  assertEquals([...Deno.readDirSync(`${caches.cache}/org`)].map((entry) => entry.name), ["model"]);
  assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "path");
  const [folder] = await listModels(caches.paths);
  assertEquals(folder?.diskBytes, await du(directory));
  assertEquals((await caches.download({ layout: "local" })).bytesMoved, 0);
  // The other layout is on another file system: files are copied and verified.
  const before = caches.bytesSent();
  const hub = await caches.download({ layout: "hub" });
  assertEquals(caches.bytesSent(), before);
  assertEquals(await modelFiles(hub.path), asBytes(MODEL));
  await removeAll(caches);
  assertEquals([...Deno.readDirSync(directory)].map((entry) => entry.name), ["lost+found"]);
  await caches.download({ layout: "local" });
});

onVolume("ext4", "a corrupted file on another volume is downloaded, not copied", async () => {
  await using caches = await startCaches();
  await using _ = await mountVolume("ext4", `${caches.cache}/org/model`);
  const { path } = await caches.download({ layout: "local" });
  const shard = "model-00001-of-00002.safetensors";
  const bytes = await Deno.readFile(`${path}/${shard}`);
  bytes[9] = (bytes[9] ?? 0) ^ 1;
  await Deno.writeFile(`${path}/${shard}`, bytes);
  const before = caches.bytesSent();
  const hub = await caches.download({ layout: "hub" });
  assertEquals(caches.bytesSent() - before, bytes.length);
  assertEquals(await modelFiles(hub.path), asBytes(MODEL));
});

onVolume(
  "ext4",
  "a read-only cache resolves and verifies; repeating a download moves nothing, an update or removal fails with exit 7",
  async () => {
    await using caches = await startCaches();
    await using volume = await mountVolume("ext4", caches.cache);
    for (const layout of LAYOUTS) await caches.download({ layout });
    await run("mount", "-o", "remount,ro", volume.path);
    for (const layout of LAYOUTS) assertEquals((await caches.download({ layout })).bytesMoved, 0);
    assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "path");
    for (const { models } of await listModels(caches.paths)) {
      for (const model of models) {
        const { findings } = await verifyModel(model);
        assert(findings.length > 0 && findings.every(({ state }) => state === "good"));
      }
    }
    await caches.hub.push("org/model", "config.json", "{}");
    for (const layout of LAYOUTS) {
      const error = await assertRejects(() => caches.download({ layout }), AimError);
      assertEquals(error.exitCode, 7);
      assertMatch(error.message, /Read-only file system/);
    }
    for (const plan of await Promise.all((await listModels(caches.paths)).map(planRemoval))) {
      const error = await assertRejects(() => removePlanned(plan, never()), AimError);
      assertEquals(error.exitCode, 7);
    }
    assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "path");
  },
);

onVolume(
  "tmpfs",
  "a volume that is too small is reported before the first byte, with the required and the free space",
  async () => {
    await using caches = await startCaches({
      files: { "config.json": "{}", "model.safetensors": safetensorsBytes(3 << 20, 1) },
    });
    await using _ = await mountVolume("tmpfs", caches.cache, "size=1m");
    for (const layout of LAYOUTS) {
      const before = caches.bytesSent();
      const error = await assertRejects(() => caches.download({ layout }), AimError);
      assertEquals([error.exitCode, caches.bytesSent()], [7, before]);
      assertMatch(error.message, /\d.*\d/);
      assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "missing");
    }
  },
);

onVolume(
  "tmpfs",
  "a disk that fills up at any point leaves no servable model; the download resumes once there is space",
  async () => {
    const files = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`part${i}/tokens.json`, `${i}`.repeat(100)]),
    );
    for (const layout of LAYOUTS) {
      for (let inodes = 8; inodes <= 64; inodes += 8) {
        await using caches = await startCaches({ files: { ...MODEL, ...files } });
        await using volume = await mountVolume("tmpfs", caches.cache, `size=64m,nr_inodes=${inodes}`);
        const error = await caches.download({ layout }).then(() => null, (thrown) => thrown);
        if (error === null) {
          assert(inodes > 16, `${inodes} inodes were enough: the disk never filled up`);
          break;
        }
        assert(error instanceof AimError);
        assertEquals(error.exitCode, 7, `${inodes}: ${error.message}`);
        assertMatch(error.message, /No space left/);
        assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "missing");
        await run("mount", "-o", "remount,nr_inodes=4096", volume.path);
        const { path } = await caches.download({ layout });
        assertEquals((await modelFiles(path)).size, Object.keys(MODEL).length + 12);
      }
    }
  },
);

async function removeAll({ paths }: Caches): Promise<void> {
  for (const folder of await listModels(paths)) await removePlanned(await planRemoval(folder), never());
}

function never(): AbortSignal {
  return new AbortController().signal;
}

/** Bytes as du(1) counts. */
async function du(path: string): Promise<number> {
  return Number((await run("du", "-s", "--block-size=1", path)).split("\t")[0]);
}

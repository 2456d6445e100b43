// aim and Python's own client use each other's downloads, in both layouts.
import { assert, assertEquals } from "@std/assert";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { asBytes, type Caches, LAYOUTS, MODEL, modelFiles, startCaches } from "../cache/caches.ts";
import { python, PYTHON_HUB, withoutPython } from "./python_client.ts";

const skip = PYTHON_HUB === null;
const where = skip ? `skipped: ${withoutPython}` : `huggingface_hub ${PYTHON_HUB}`;

/** Downloads with the same arguments as aim, and prints the path. */
const SNAPSHOT = `
import sys
from huggingface_hub import snapshot_download
layout, cache, revision = sys.argv[1:4]
if layout == "local":
    print(snapshot_download("org/model", revision=revision or None, local_dir=cache + "/org/model"))
else:
    print(snapshot_download("org/model", revision=revision or None, cache_dir=cache + "/hub"))
`;

async function snapshot(
  caches: Caches,
  layout: string,
  revision = "",
  env: Record<string, string> = {},
): Promise<string> {
  const ran = await python(SNAPSHOT, [layout, caches.cache, revision], {
    HF_ENDPOINT: caches.hub.url,
    HF_HOME: caches.cache,
    ...env,
  });
  assertEquals(ran.code, 0, ran.stderr);
  return ran.stdout.trim();
}

for (const [layout, xet] of LAYOUTS.flatMap((layout) => [[layout, true], [layout, false]] as const)) {
  const how = `${layout} layout, ${xet ? "with" : "without"} hf-xet`;
  const withoutXet: Record<string, string> = xet ? {} : { HF_HUB_DISABLE_XET: "1" };
  Deno.test({
    name: `after aim, Python transfers no file in the ${how} (${where})`,
    ignore: skip,
    async fn() {
      await using caches = await startCaches();
      const { path } = await caches.download({ layout });
      const before = caches.bytesSent();
      assertEquals(await snapshot(caches, layout, "", withoutXet), path);
      assertEquals(caches.bytesSent() - before, 0);
      assertEquals(await modelFiles(path), asBytes(MODEL));
    },
  });

  Deno.test({
    name: `after Python, aim transfers no file in the ${how} (${where})`,
    ignore: skip,
    async fn() {
      await using caches = await startCaches();
      const path = await snapshot(caches, layout, "", withoutXet);
      const before = caches.bytesSent();
      const report = await caches.download({ layout });
      assertEquals([report.path, report.bytesMoved, caches.bytesSent() - before], [path, 0, 0]);
      assertEquals(await modelFiles(path), asBytes(MODEL));
      assert((await resolveModel({ paths: caches.paths, name: "org/model" })).kind !== "missing");
      // And Python again.
      assertEquals(await snapshot(caches, layout, "", withoutXet), path);
      assertEquals(caches.bytesSent() - before, 0);
    },
  });
}

for (const layout of LAYOUTS) {
  Deno.test({
    name:
      `aim completes a download that Python left unfinished in the ${layout} layout, and Python then transfers no file (${where})`,
    ignore: skip,
    async fn() {
      await using caches = await startCaches();
      caches.hub.faults.push({ kind: "status", status: 404, file: "model-00002-of-00002.safetensors" });
      const ran = await python(SNAPSHOT, [layout, caches.cache, ""], {
        HF_ENDPOINT: caches.hub.url,
        HF_HOME: caches.cache,
      });
      assert(ran.code !== 0);
      caches.hub.faults.length = 0;
      assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "missing");
      const { path } = await caches.download({ layout });
      assertEquals(await modelFiles(path), asBytes(MODEL));
      const before = caches.bytesSent();
      assertEquals(await snapshot(caches, layout), path);
      assertEquals(caches.bytesSent() - before, 0);
    },
  });

  Deno.test({
    name: `both store a second revision next to the first in the ${layout} layout (${where})`,
    ignore: skip,
    async fn() {
      const changed = { ...MODEL, "config.json": '{"model_type":"other"}\n' };
      await using caches = await startCaches({ refs: { "feature/x": changed } });
      await caches.download({ layout });
      const { path } = await caches.download({ layout, revision: "feature/x" });
      const before = caches.bytesSent();
      assertEquals(await snapshot(caches, layout, "feature/x"), path);
      assertEquals(caches.bytesSent() - before, 0);
      assertEquals(await modelFiles(path), asBytes(changed));
    },
  });
}

Deno.test({
  name: `Python finds aim's downloads in the Hugging Face cache offline, including models from S3 (${where})`,
  ignore: skip,
  async fn() {
    await using caches = await startCaches();
    const offline = { HF_HUB_OFFLINE: "1" };
    for (const uri of ["hf://org/model", "s3://models/org/model"]) {
      const { path } = await caches.download({ layout: "hub", uri });
      assertEquals(await snapshot(caches, "hub", "", offline), path);
      await Deno.remove(caches.paths.hfHubCache, { recursive: true });
    }
  },
});

Deno.test({
  name: `Python's scan of a cache written by aim reports no warnings (${where})`,
  ignore: skip,
  async fn() {
    await using caches = await startCaches();
    await caches.download({ layout: "hub" });
    const ran = await python(
      "import sys, json\nfrom huggingface_hub import scan_cache_dir\nc = scan_cache_dir(sys.argv[1])\n" +
        "print(json.dumps({'warnings': [str(w) for w in c.warnings], 'size': c.size_on_disk, " +
        "'repos': [[r.repo_id, r.nb_files, [x.commit_hash for x in r.revisions], list(r.refs)] for r in c.repos]}))",
      [caches.paths.hfHubCache],
    );
    assertEquals(ran.code, 0, ran.stderr);
    const bytes = [...asBytes(MODEL).values()].reduce((sum, b) => sum + b.length, 0);
    // Two files have the same content and share a blob.
    const shared = asBytes(MODEL).get("config.json")?.length ?? 0;
    assertEquals(JSON.parse(ran.stdout), {
      warnings: [],
      size: bytes - shared,
      repos: [["org/model", 6, [caches.hub.commit("org/model")], ["main"]]],
    });
  },
});

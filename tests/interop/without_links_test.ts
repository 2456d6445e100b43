// A file system without links (like vfat, or an object store behind FUSE) shared by aim and Python's client.
import { assert, assertEquals } from "@std/assert";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { asBytes, MODEL, modelFiles, startCaches } from "../cache/caches.ts";
import { mountVolume, REFUSED } from "../cache/volumes.ts";
import { python, PYTHON_HUB, withoutPython } from "./python_client.ts";

const refused = PYTHON_HUB === null ? withoutPython : REFUSED.exfat?.split("\n")[0] ?? null;
const where = refused === null ? `huggingface_hub ${PYTHON_HUB}` : `skipped: ${refused}`;

const SNAPSHOT = `
import sys
from huggingface_hub import snapshot_download
print(snapshot_download("org/model", cache_dir=sys.argv[1]))
`;

Deno.test({
  // The reverse cannot be tested: Python's client fails on ENOSYS from symlink(2).
  name: `on exfat, Python transfers no file after aim in the Hugging Face cache (${where})`,
  ignore: refused !== null,
  async fn() {
    await using caches = await startCaches();
    await using _ = await mountVolume("exfat", caches.cache);
    const { path } = await caches.download({ layout: "hub" });
    const before = caches.bytesSent();
    const env = { HF_ENDPOINT: caches.hub.url, HF_HOME: caches.cache };
    const { code, stdout, stderr } = await python(SNAPSHOT, [caches.paths.hfHubCache], env);
    assertEquals([code, stdout.trim()], [0, path], stderr);
    assertEquals(caches.bytesSent(), before);
    assertEquals(await modelFiles(path), asBytes(MODEL));
    assert((await resolveModel({ paths: caches.paths, name: "org/model" })).kind === "hub");
  },
});

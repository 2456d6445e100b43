// The tests' hub behaves as Python's client expects of a hub.
import { assertEquals } from "@std/assert";
import { startHub } from "../servers/hub_server.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { python, PYTHON_HUB, withoutPython } from "./python_client.ts";

const skip = PYTHON_HUB === null;
const where = skip ? `skipped: ${withoutPython}` : `huggingface_hub ${PYTHON_HUB}`;

const FILES = { "config.json": "{}\n", "model.safetensors": safetensorsBytes(300_000, 1) };

const ASK = `
import sys, json, os
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
cache = sys.argv[1]
api = HfApi()
def kind(f):
    try:
        return f()
    except Exception as error:
        return type(error).__name__
info = api.model_info("org/open", files_metadata=True)
tree = sorted(f.path for f in api.list_repo_tree("org/many", recursive=True))
print(json.dumps({
    "files": sorted([s.rfilename, s.size] for s in info.siblings),
    "tree": len(tree),
    "refs": sorted(b.name for b in api.list_repo_refs("org/open").branches),
    "download": os.path.getsize(hf_hub_download("org/open", "model.safetensors", cache_dir=cache)),
    "no repo": kind(lambda: snapshot_download("org/none", cache_dir=cache)),
    "no revision": kind(lambda: snapshot_download("org/open", revision="nope", cache_dir=cache)),
    "no file": kind(lambda: hf_hub_download("org/open", "none.bin", cache_dir=cache)),
    "gated without token": kind(lambda: hf_hub_download("org/gated", "config.json", cache_dir=cache, token=False)),
    "gated without access": kind(lambda: hf_hub_download("org/gated", "config.json", cache_dir=cache, token="hf_stranger")),
    "gated with access": os.path.basename(hf_hub_download("org/gated", "config.json", cache_dir=cache, token="hf_friend")),
    "private without token": kind(lambda: hf_hub_download("org/private", "config.json", cache_dir=cache, token=False)),
    "bad token": kind(lambda: api.whoami(token="hf_unknown")),
}))
`;

Deno.test({
  name: `the tests' hub answers Python's client like the real hub (${where})`,
  ignore: skip,
  async fn() {
    await using hub = await startHub({
      repos: [
        { id: "org/open", files: FILES, refs: { dev: FILES } },
        {
          id: "org/many",
          files: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`d${i % 7}/f${i}.txt`, `${i}`])),
        },
        { id: "org/gated", files: FILES, gated: "manual", allowed: ["hf_friend"] },
        { id: "org/private", files: FILES, private: true, allowed: ["hf_friend"] },
      ],
      tokens: ["hf_friend", "hf_stranger"],
      pageSize: 10,
    });
    const cache = await Deno.makeTempDir();
    try {
      const ran = await python(ASK, [cache], { HF_ENDPOINT: hub.url, HF_HOME: cache });
      assertEquals(ran.code, 0, ran.stderr);
      assertEquals(JSON.parse(ran.stdout), {
        "files": [["config.json", 3], ["model.safetensors", 300_000]],
        "tree": 67,
        "refs": ["dev", "main"],
        "download": 300_000,
        "no repo": "RepositoryNotFoundError",
        "no revision": "RevisionNotFoundError",
        "no file": "RemoteEntryNotFoundError",
        "gated without token": "GatedRepoError",
        "gated without access": "GatedRepoError",
        "gated with access": "config.json",
        "private without token": "RepositoryNotFoundError",
        "bad token": "HfHubHTTPError",
      });
      assertEquals(hub.leaks, []);
    } finally {
      await Deno.remove(cache, { recursive: true });
    }
  },
});

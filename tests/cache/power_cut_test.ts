// A loss of power at any moment of a download: what the disk has then is mounted as after a restart.
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { cachePaths } from "../../src/cache/cache_paths.ts";
import { listModels } from "../../src/cache/list_models.ts";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { verifyModel } from "../../src/cache/verify_model.ts";
import { safetensorsBytes } from "../servers/content.ts";
import {
  asBytes,
  type Caches,
  HUB_MODEL,
  LAYOUTS,
  modelFiles,
  run,
  S3_MODEL,
  startCaches,
} from "./caches.ts";
import { lookAfterFlushes } from "./mortal.ts";
import { mountVolume, REFUSED } from "./volumes.ts";

/** Every moment and every pair, as CI does; every third moment of half the pairs otherwise. */
const FULL = Deno.env.get("AIM_TEST_FULL") === "1";

const OLD = {
  "config.json": '{"model_type":"llama"}\n',
  "model.safetensors": safetensorsBytes(1_200_000, 1),
  "old/tokenizer.json": "{}\n",
};
/** The same sizes, so that only bytes differ. */
const NEW = {
  "config.json": '{"model_type":"other"}\n',
  "model.safetensors": safetensorsBytes(1_200_000, 2),
  "new/tokenizer.json": "[]\n",
};

for (const kind of ["ext4", "xfs"] as const) {
  for (const layout of LAYOUTS) {
    for (const [what, uri] of [["the hub", HUB_MODEL], ["S3", S3_MODEL]] as const) {
      const isLong = !FULL && (kind === "ext4") === (layout === "local") === (uri === HUB_MODEL);
      const refused = REFUSED[kind] ?? (isLong ? "AIM_TEST_FULL=1 runs it" : null);
      const why = refused === null ? "" : ` (not run: ${refused})`;
      Deno.test({
        name:
          `power that is lost at any moment of a download and an update from ${what} into the ${layout} layout on ${kind} leaves the old model, the new one, or none${why}`,
        ignore: refused !== null,
        fn: () => cuts(kind, layout, uri),
      });
    }
  }
}

async function cuts(kind: "ext4" | "xfs", layout: "local" | "hub", uri: string): Promise<void> {
  // In memory, so that a copy of the disk is of one moment, nearly.
  const work = await Deno.makeTempDir();
  await run("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", work);
  try {
    await cutsIn(work, kind, layout, uri);
  } finally {
    // The kernel gives up a loop device a moment after its file system.
    await run("umount", "--lazy", work);
    await Deno.remove(work);
  }
}

async function cutsIn(
  work: string,
  kind: "ext4" | "xfs",
  layout: "local" | "hub",
  uri: string,
): Promise<void> {
  await using caches = await startCaches({ files: OLD });
  const images: string[] = [];
  let firstUpdate = 0;
  {
    // Without it, ext4 hides a missing flush by one of its own where a file is replaced.
    const options = kind === "ext4" ? "noauto_da_alloc" : "";
    await using volume = await mountVolume(kind, caches.cache, options, work);
    const copy = () => {
      const image = `${work}/${images.length}`;
      images.push(image);
      const { success } = new Deno.Command("cp", { args: ["--sparse=always", volume.image, image] })
        .outputSync();
      assert(success);
    };
    await lookAfterFlushes(copy, () => caches.download({ layout, uri }));
    copy();
    firstUpdate = images.length;
    await update(caches);
    await lookAfterFlushes(copy, () => caches.download({ layout, uri }));
    copy();
  }
  assert(firstUpdate > 5 && images.length - firstUpdate > 5, `${firstUpdate} of ${images.length}`);
  const ends = [firstUpdate - 1, images.length - 1];
  const states = new Map<number, string>();
  for (const [at, image] of images.entries()) {
    if (FULL || at % 3 === 0 || ends.includes(at)) states.set(at, await stateOf(image, at));
  }
  // After exit 0 it is there.
  assertEquals(ends.map((at) => states.get(at)), ["old", "new"]);
  // A download never takes the model back to what it was before.
  const updated = [...states].flatMap(([at, state]) => at < firstUpdate ? [] : [state]);
  const shown = [...states.values()].join(" ");
  assert(!updated.slice(updated.indexOf("new")).includes("old"), shown);
  assert(
    states.values().filter((state) => state.startsWith("torn")).toArray().length < states.size / 10,
    shown,
  );

  async function stateOf(image: string, at: number): Promise<string> {
    const mounted = `${work}/mounted`;
    await Deno.mkdir(mounted, { recursive: true });
    // The kernel may not have given up the copy before, which has the same UUID.
    const options = kind === "xfs" ? "loop,nouuid" : "loop";
    const { success, stderr } = await new Deno.Command("mount", { args: ["-o", options, image, mounted] })
      .output();
    // A copy takes a moment: of what the kernel wrote meanwhile it may have the later half.
    if (!success) return `torn: ${new TextDecoder().decode(stderr)}`;
    try {
      const all = cachePaths({ cachePath: mounted, hfHome: null, hfHubCache: null });
      const paths = layout === "hub"
        ? { ...all, root: `${mounted}/none` }
        : { ...all, hub: `${mounted}/none` };
      const found = await resolveModel({ paths, name: "org/model" });
      let state = "none";
      if (found.kind !== "missing") {
        const files = await modelFiles(found.kind === "path" ? found.path : found.snapshot);
        state = files.has("old/tokenizer.json") ? "old" : "new";
        assertEquals(inShort(files), inShort(asBytes(state === "old" ? OLD : NEW)), `cut ${at}`);
      }
      // A lock of this very process would count as held by a living one.
      for (const folder of ["org/model", "hub/models--org--model"]) {
        await Deno.remove(`${mounted}/${folder}/.aim/lock`).catch(() => {});
      }
      const { path } = await caches.download({ layout, uri, cache: mounted });
      assertEquals(inShort(await modelFiles(path)), inShort(asBytes(NEW)), `run again after cut ${at}`);
      for (const folder of await listModels(paths)) {
        for (const model of folder.models.filter((one) => one.path === path)) {
          const { findings } = await verifyModel(model);
          assertEquals(findings.filter((finding) => finding.state !== "unknown"), [], `cut ${at}`);
        }
      }
      return state;
    } finally {
      await run("umount", mounted);
      await Deno.remove(image);
    }
  }
}

/** Path, size and digest of each file; what a stopped download left next to them is not part of the model. */
function inShort(files: ReadonlyMap<string, Uint8Array>): string[] {
  return [...files].filter(([path]) => !/\.aim-[0-9a-f]{8}\.incomplete(\.parts)?$/.test(path)).map((
    [path, bytes],
  ) => `${path} ${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`);
}

async function update({ hub, s3 }: Caches): Promise<void> {
  for (const [path, content] of Object.entries(NEW)) {
    await hub.push("org/model", path, content);
    await s3.put("models", `org/model/${path}`, content);
  }
  await hub.push("org/model", "old/tokenizer.json", null);
  s3.remove("models", "org/model/old/tokenizer.json");
}

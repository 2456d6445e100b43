// Loses power at every point of a download: each state of the disk is mounted as after a restart.
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { listModels } from "../../src/cache/list_models.ts";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { isFault, verifyModel } from "../../src/cache/verify_model.ts";
import { gzipSync } from "node:zlib";
import { makeTar } from "../archive/make_tar.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { type ServedLayer, startOci } from "../servers/oci_server.ts";
import { asBytes, HUB_MODEL, LAYOUTS, modelFiles, run, S3_MODEL, startCaches } from "./caches.ts";
import { lookAfterFlushes } from "./mortal.ts";
import { mountVolume, REFUSED } from "./volumes.ts";

/** CI cuts every case at every flush; a short run cuts the cases in `SHORT` at every third. */
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

type Layout = typeof LAYOUTS[number];

/** A model at its source, initially with the old files. */
interface Served extends AsyncDisposable {
  readonly name: string;
  /** `AIM_CACHE_PATH`. */
  readonly cache: string;
  download(layout: Layout, cache?: string): Promise<{ readonly path: string }>;
  /** Replaces the old files with the new ones. */
  update(): Promise<void>;
}

const SOURCES: Readonly<Record<string, () => Promise<Served>>> = {
  "the hub": () => fromCaches(HUB_MODEL),
  "S3": () => fromCaches(S3_MODEL),
  "tar archives in a registry": () => fromRegistry("tar", (tar) => tar),
  "tar+gzip archives in a registry": () => fromRegistry("tar+gzip", (tar) => new Uint8Array(gzipSync(tar))),
};

/** Cases of a short run: each file system, layout and source once or twice. */
const SHORT = [
  ...["ext4 hub the hub", "ext4 local S3", "xfs local the hub", "xfs hub S3"],
  ...["ext4 local tar+gzip archives in a registry", "xfs hub tar archives in a registry"],
];

for (const kind of ["ext4", "xfs"] as const) {
  for (const layout of LAYOUTS) {
    for (const [what, start] of Object.entries(SOURCES)) {
      const isLong = !FULL && !SHORT.includes(`${kind} ${layout} ${what}`);
      const refused = REFUSED[kind] ?? (isLong ? "needs AIM_TEST_FULL=1" : null);
      const why = refused === null ? "" : ` (skipped: ${refused})`;
      Deno.test({
        name:
          `a power cut at any point of a download or update from ${what} into the ${layout} layout on ${kind} leaves the old model, the new one, or none${why}`,
        ignore: refused !== null,
        fn: () => cuts(kind, layout, start),
      });
    }
  }
}

async function fromCaches(uri: string): Promise<Served> {
  const caches = await startCaches({ files: OLD });
  const { hub, s3, cache } = caches;
  return {
    name: "org/model",
    cache,
    download: (layout, at = cache) => caches.download({ layout, uri, cache: at }),
    async update() {
      for (const [path, content] of Object.entries(NEW)) {
        await hub.push("org/model", path, content);
        await s3.put("models", `org/model/${path}`, content);
      }
      await hub.push("org/model", "old/tokenizer.json", null);
      s3.remove("models", "org/model/old/tokenizer.json");
    },
    [Symbol.asyncDispose]: () => caches[Symbol.asyncDispose](),
  };
}

/** Weights in one archive, the other files in a second. */
async function fromRegistry(
  suffix: string,
  pack: (tar: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Promise<Served> {
  const layersOf = (files: Readonly<Record<string, Uint8Array | string>>): ServedLayer[] => {
    const [weights = [], others = []] = [true, false].map((isWeights) =>
      Object.entries(files).filter(([path]) => path.endsWith(".safetensors") === isWeights)
    );
    return [weights, others].map((entries, at) => ({
      mediaType: `application/vnd.cncf.model.weight.v1.${suffix}`,
      bytes: pack(makeTar(entries.map(([name, content]) => ({ name, content })))),
      file: `archive ${at}`,
    }));
  };
  const caches = await startCaches({ files: {} });
  const server = await startOci({
    layers: layersOf(OLD),
    artifactType: "application/vnd.cncf.model.manifest.v1+json",
  });
  const uri = `oci://${server.host}/org/tiny`;
  return {
    name: "org/tiny",
    cache: caches.cache,
    download: (layout, cache = caches.cache) =>
      caches.download({ layout, uri, cache, env: { AIM_OCI_INSECURE: server.host } }),
    update: () => server.push(layersOf(NEW)),
    async [Symbol.asyncDispose]() {
      await server.close();
      await caches[Symbol.asyncDispose]();
    },
  };
}

async function cuts(kind: "ext4" | "xfs", layout: Layout, start: () => Promise<Served>): Promise<void> {
  // In memory: each copy of the disk takes almost no time.
  const work = await Deno.makeTempDir();
  await run("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", work);
  try {
    await using served = await start();
    await cutsIn(work, kind, layout, served);
  } finally {
    // The kernel releases a loop device shortly after its file system is unmounted.
    await run("umount", "--lazy", work);
    await Deno.remove(work);
  }
}

async function cutsIn(
  work: string,
  kind: "ext4" | "xfs",
  layout: Layout,
  { name, cache, download, update }: Served,
): Promise<void> {
  const images: string[] = [];
  let firstUpdate = 0;
  {
    // By default, ext4 flushes a file that replaces another, which would hide a missing flush in aim.
    const options = kind === "ext4" ? "noauto_da_alloc" : "";
    await using volume = await mountVolume(kind, cache, options, work);
    const copy = () => {
      const image = `${work}/${images.length}`;
      images.push(image);
      const { success } = new Deno.Command("cp", { args: ["--sparse=always", volume.image, image] })
        .outputSync();
      assert(success);
    };
    await lookAfterFlushes(copy, () => download(layout));
    copy();
    firstUpdate = images.length;
    await update();
    await lookAfterFlushes(copy, () => download(layout));
    copy();
  }
  assert(firstUpdate > 5 && images.length - firstUpdate > 5, `${firstUpdate} of ${images.length}`);
  const ends = [firstUpdate - 1, images.length - 1];
  const states = new Map<number, string>();
  for (const [at, image] of images.entries()) {
    if (FULL || at % 3 === 0 || ends.includes(at)) states.set(at, await stateOf(image, at));
  }
  // A download that succeeded survives a power cut.
  assertEquals(ends.map((at) => states.get(at)), ["old", "new"]);
  // Once updated, the model never reverts.
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
    // The kernel may still hold the previous copy, which has the same UUID.
    const options = kind === "xfs" ? "loop,nouuid" : "loop";
    const { success, stderr } = await new Deno.Command("mount", { args: ["-o", options, image, mounted] })
      .output();
    // The kernel may write while the image is copied: such a copy is torn.
    if (!success) return `torn: ${new TextDecoder().decode(stderr)}`;
    try {
      const all = { cachePath: mounted, hfHome: mounted, hfHubCache: `${mounted}/hub` };
      const paths = layout === "hub"
        ? { ...all, root: `${mounted}/none` }
        : { ...all, hub: `${mounted}/none` };
      const found = await resolveModel({ paths, name });
      let state = "none";
      if (found.kind !== "missing") {
        const files = await modelFiles(found.kind === "path" ? found.path : found.snapshot);
        state = files.has("old/tokenizer.json") ? "old" : "new";
        assertEquals(inShort(files), inShort(asBytes(state === "old" ? OLD : NEW)), `cut ${at}`);
      }
      // This process made the lock and still runs: the lock would count as held.
      for (const folder of [name, `hub/models--${name.replace("/", "--")}`]) {
        await Deno.remove(`${mounted}/${folder}/.aim/lock`).catch(() => {});
      }
      const { path } = await download(layout, mounted);
      assertEquals(inShort(await modelFiles(path)), inShort(asBytes(NEW)), `rerun after cut ${at}`);
      for (const folder of await listModels(paths)) {
        for (const model of folder.models.filter((one) => one.path === path)) {
          const { findings } = await verifyModel(model);
          assertEquals(findings.filter(isFault), [], `cut ${at}`);
        }
      }
      return state;
    } finally {
      await run("umount", mounted);
      await Deno.remove(image);
    }
  }
}

/** Path, size and digest of each file of the model, without the partial files of a stopped download. */
function inShort(files: ReadonlyMap<string, Uint8Array>): string[] {
  return [...files].filter(([path]) => !/\.aim-[0-9a-f]{8}\.incomplete(\.parts)?$/.test(path)).map((
    [path, bytes],
  ) => `${path} ${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`);
}

import { assert, assertEquals } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { makeTar, type TestEntry } from "../archive/make_tar.ts";
import { aim } from "../cli/aim.ts";
import { startWorld, type World } from "../cli/world.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { sha256, type TestArtifact, type TestLayer, writeLayout } from "./oci_layout.ts";

const WEIGHTS = safetensorsBytes(300_000);
const CONFIG = '{"model_type":"llama"}\n';

type Bytes = Uint8Array<ArrayBuffer>;

/** Ways of packing an archive, with their media type suffixes. */
const PACKINGS: Readonly<Record<string, { readonly suffix: string; pack(tar: Bytes): Bytes }>> = {
  "tar": { suffix: "tar", pack: (tar) => tar },
  "tar+gzip": { suffix: "tar+gzip", pack: (tar) => new Uint8Array(gzipSync(tar)) },
  "tar+gzip of two members": {
    suffix: "tar+gzip",
    pack: (tar) => new Uint8Array([...gzipSync(tar.slice(0, 1000)), ...gzipSync(tar.slice(1000))]),
  },
  "tar+zstd": { suffix: "tar+zstd", pack: (tar) => new Uint8Array(zstdCompressSync(tar)) },
};

const IMAGE = "application/vnd.oci.image";

/** Artifacts of each kind, built like their tools build them. */
const KINDS: Readonly<
  Record<string, (suffix: string, pack: (tar: Bytes) => Bytes) => Promise<TestArtifact> | TestArtifact>
> = {
  ModelKit: (suffix, pack) => {
    const type = "application/vnd.kitops.modelkit";
    // KitOps' file names are relative to the Kitfile's folder.
    return {
      artifactType: `${type}.manifest.v1+json`,
      config: {
        mediaType: `${type}.config.v1+json`,
        value: { manifestVersion: "1.0.0", model: { path: "." } },
      },
      layers: [
        {
          mediaType: `${type}.model.v1.${suffix}`,
          bytes: pack(makeTar([{ name: "model.safetensors", content: WEIGHTS }])),
        },
        {
          mediaType: `${type}.code.v1.${suffix}`,
          bytes: pack(makeTar([{ name: "config.json", content: CONFIG }])),
        },
      ],
    };
  },
  ModelPack: (suffix, pack) => {
    const type = "application/vnd.cncf.model";
    const tars = [
      makeTar([{ name: "model.safetensors", content: WEIGHTS }]),
      makeTar([{ name: "config.json", content: CONFIG }]),
    ];
    const layers = tars.map((tar, at): TestLayer => ({
      mediaType: `${type}.${at === 0 ? "weight" : "weight.config"}.v1.${suffix}`,
      bytes: pack(tar),
      annotations: { "org.cncf.model.filepath": at === 0 ? "model.safetensors" : "config.json" },
    }));
    return {
      artifactType: `${type}.manifest.v1+json`,
      config: { mediaType: `${type}.config.v1+json`, value: { modelfs: { type: "layers" } } },
      layers,
    };
  },
  "ORAS folder": async (suffix, pack) => {
    const tar = makeTar([
      { name: "model/", type: "5" },
      { name: "model/config.json", content: CONFIG },
      { name: "model/model.safetensors", content: WEIGHTS },
    ]);
    return {
      config: { mediaType: "application/vnd.oci.empty.v1+json", value: {} },
      artifactType: "application/vnd.unknown.artifact.v1",
      layers: [{
        mediaType: `${IMAGE}.layer.v1.${suffix}`,
        bytes: pack(tar),
        annotations: {
          "org.opencontainers.image.title": "model",
          "io.deis.oras.content.unpack": "true",
          "io.deis.oras.content.digest": `sha256:${await sha256(tar)}`,
        },
      }],
    };
  },
  "ModelCar image": (suffix, pack) =>
    image(suffix, pack, [
      [{ name: "bin/sh", type: "2", linkName: "busybox" }, { name: "etc/passwd", content: "root" }],
      [{ name: "models/", type: "5" }, { name: "models/config.json", content: "of the lower layer" }, {
        name: "models/draft.txt",
        content: "x",
      }],
      [
        { name: "models/config.json", content: CONFIG },
        { name: "models/.wh.draft.txt" },
        { name: "models/model.safetensors", content: WEIGHTS },
      ],
    ]),
};

function image(
  suffix: string,
  pack: (tar: Bytes) => Bytes,
  layers: readonly (readonly TestEntry[])[],
): TestArtifact {
  return {
    config: {
      mediaType: `${IMAGE}.config.v1+json`,
      value: { architecture: "amd64", os: "linux" },
    },
    layers: layers.map((entries) => ({
      mediaType: `${IMAGE}.layer.v1.${suffix}`,
      bytes: pack(makeTar(entries)),
    })),
  };
}

const run = (args: readonly string[], { env }: World) => aim(args, { env: { ...env, HF_HUB_OFFLINE: "1" } });

async function ok(args: readonly string[], world: World): Promise<string> {
  const { code, stdout, stderr } = await run(args, world);
  assertEquals(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Digests of a folder's files by path. Follows symlinks, skips aim's own files. */
async function filesBelow(folder: string, before = ""): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (name === ".aim") continue;
    if ((await Deno.stat(path)).isDirectory) {
      Object.assign(found, await filesBelow(path, `${before}${name}/`));
    } else found[`${before}${name}`] = await sha256(await Deno.readFile(path));
  }
  return found;
}

const MODEL = {
  "config.json": await sha256(new TextEncoder().encode(CONFIG)),
  "model.safetensors": await sha256(new Uint8Array(WEIGHTS)),
};

async function inNewWorld(artifact: TestArtifact, test: (world: World, uri: string) => Promise<void>) {
  await using world = await startWorld();
  await writeLayout(`${world.directory}/layout`, artifact);
  await test(world, `oci-layout:${world.directory}/layout`);
}

for (const [kind, make] of Object.entries(KINDS)) {
  Deno.test(`a ${kind} is downloaded as a model into both layouts, and a second run downloads nothing`, async () => {
    const gzip = PACKINGS["tar+gzip"];
    assert(gzip !== undefined);
    await inNewWorld(await make(gzip.suffix, gzip.pack), async (world, uri) => {
      for (const flags of [[], ["--use-hf-cache"]]) {
        const words = ["download-to-cache", uri, "--model-name", "kits/tiny", "--format", "json", ...flags];
        const first = JSON.parse(await ok(words, world));
        assertEquals(await filesBelow(first.path), MODEL);
        assert(first.bytesMoved > 0);
        const second = JSON.parse(await ok(words, world));
        assertEquals([second.bytesMoved, second.files], [0, 2]);
      }
      await ok(["cache", "verify", "kits/tiny"], world);
      const resolved = JSON.parse(await ok(["resolve", "kits/tiny", "--format", "json"], world));
      assertEquals(resolved.kind, "path");
      // Only the archives' listings remain.
      const left = [...Deno.readDirSync(`${world.directory}/cache/kits/tiny/.aim/layers`)];
      assert(
        left.length > 0 && left.every(({ name }) => /^[0-9a-f]{64}\.json$/.test(name)),
        JSON.stringify(left),
      );
    });
  });
}

for (const [packing, { suffix, pack }] of Object.entries(PACKINGS)) {
  for (const kind of ["ModelPack", "ModelCar image"]) {
    Deno.test(`aim fetch unpacks a ${kind} (${packing})`, async () => {
      const made = await KINDS[kind]?.(suffix, pack);
      assert(made !== undefined);
      await inNewWorld(made, async (world, uri) => {
        await ok(["fetch", uri, `${world.directory}/fetched`], world);
        assertEquals(await filesBelow(`${world.directory}/fetched`), MODEL);
      });
    });
  }
}

const asKit = (tar: Bytes): TestArtifact => ({
  artifactType: "application/vnd.kitops.modelkit.manifest.v1+json",
  config: { mediaType: "application/vnd.kitops.modelkit.config.v1+json", value: {} },
  layers: [{
    mediaType: "application/vnd.kitops.modelkit.model.v1.tar+gzip",
    bytes: new Uint8Array(gzipSync(tar)),
  }],
});

const REFUSED: Readonly<Record<string, TestArtifact | Promise<TestArtifact>>> = {
  "a symlink": asKit(makeTar([{ name: "config.json", type: "2", linkName: "/etc/passwd" }])),
  "a name that escapes the model's folder": asKit(makeTar([{ name: "a/../../../escaped", content: "x" }])),
  "a truncated archive": asKit(makeTar([{ name: "config.json", content: CONFIG, size: 4000 }])),
  "damaged gzip": {
    ...asKit(makeTar([])),
    layers: [{
      mediaType: "application/vnd.kitops.modelkit.model.v1.tar+gzip",
      bytes: new Uint8Array([...gzipSync(makeTar([{ name: "a", content: WEIGHTS }])).slice(0, 5000)]),
    }],
  },
  "damaged zstd": {
    ...asKit(makeTar([])),
    layers: [{
      mediaType: "application/vnd.kitops.modelkit.model.v1.tar+zstd",
      bytes: new Uint8Array(zstdCompressSync(makeTar([{ name: "a", content: WEIGHTS }])).slice(0, 5000)),
    }],
  },
  "a zstd bomb": {
    ...asKit(makeTar([])),
    layers: [{
      mediaType: "application/vnd.kitops.modelkit.model.v1.tar+zstd",
      bytes: bomb(),
    }],
  },
};

/** 512 MiB compressed to about 20 KiB, a ratio that deflate cannot reach. */
function bomb(): Bytes {
  const size = 512 * 2 ** 20;
  const tar = new Uint8Array(size);
  tar.set(makeTar([{ name: "model.safetensors", size: size - 2048 }], { end: false }));
  return new Uint8Array(zstdCompressSync(tar));
}

for (const [what, artifact] of Object.entries(REFUSED)) {
  Deno.test(`an artifact with ${what} exits with 8 and leaves no files`, async () => {
    await using world = await startWorld();
    await writeLayout(`${world.directory}/layout`, await artifact);
    const words = ["download-to-cache", `oci-layout:${world.directory}/layout`, "--model-name", "kits/bad"];
    const { code, stderr } = await run(words, world);
    assertEquals(code, 8, stderr);
    assertEquals(await filesBelow(`${world.directory}/cache/kits/bad`), {});
    assertEquals([...Deno.readDirSync(`${world.directory}/cache/kits/bad/.aim/layers`)], []);
    assertEquals((await run(["resolve", "kits/bad"], world)).code, 5);
  });
}

Deno.test("a layer with an unsafe name exits with 8, unless excluded with --exclude", async () => {
  await using world = await startWorld();
  const layer = (title: string, text: string) => ({
    mediaType: "application/vnd.oci.image.layer.v1",
    bytes: new TextEncoder().encode(text),
    annotations: { "org.opencontainers.image.title": title },
  });
  await writeLayout(`${world.directory}/layout`, {
    config: { mediaType: "application/vnd.oci.empty.v1+json", value: {} },
    layers: [layer("config.json", CONFIG), layer("../escaped", "x")],
  });
  const words = ["size", `oci-layout:${world.directory}/layout`];
  assertEquals((await run(words, world)).code, 8);
  const { code, stdout, stderr } = await run([...words, "--exclude", "../*"], world);
  assertEquals(code, 0, stderr);
  assertEquals(JSON.parse(stdout).sizeBytes, CONFIG.length);
});

Deno.test("an archive with a wrong digest is refused before anything is unpacked", async () => {
  await using world = await startWorld();
  const layout = `${world.directory}/layout`;
  await writeLayout(layout, asKit(makeTar([{ name: "config.json", content: CONFIG }])));
  for (const { name } of [...Deno.readDirSync(`${layout}/blobs/sha256`)]) {
    const path = `${layout}/blobs/sha256/${name}`;
    const bytes = await Deno.readFile(path);
    if (bytes[0] === 0x1f) {
      await Deno.writeFile(path, gzipSync(makeTar([{ name: "config.json", content: "no" }])));
    }
  }
  const bad = await run(["download-to-cache", `oci-layout:${layout}`, "--model-name", "kits/bad"], world);
  assert([6, 8].includes(bad.code), `${bad.code} ${bad.stderr}`);
  assertEquals(await filesBelow(`${world.directory}/cache/kits/bad`), {});
});

Deno.test("a missing or damaged file is restored by downloading its archive again, and other files are not touched", async () => {
  await using world = await startWorld();
  await writeLayout(
    `${world.directory}/layout`,
    asKit(makeTar([
      { name: "config.json", content: CONFIG },
      { name: "model.safetensors", content: WEIGHTS },
    ])),
  );
  const words = ["download-to-cache", `oci-layout:${world.directory}/layout`, "--model-name", "kits/tiny"];
  await ok(words, world);
  const model = `${world.directory}/cache/kits/tiny`;
  const before = await Deno.stat(`${model}/model.safetensors`);
  await Deno.remove(`${model}/config.json`);
  await ok(words, world);
  assertEquals(await filesBelow(model), MODEL);
  assertEquals((await Deno.stat(`${model}/model.safetensors`)).ino, before.ino);
  await Deno.writeTextFile(`${model}/config.json`, `{"model_type":"other"}\n`);
  assertEquals((await run(["cache", "verify", "kits/tiny"], world)).code, 8);
  await ok(["cache", "verify", "--repair", "kits/tiny"], world);
  assertEquals(await filesBelow(model), MODEL);
  await ok([...words, "--force"], world);
  assertEquals(await filesBelow(model), MODEL);
});

Deno.test("a damaged unpacked archive of an earlier run exits with 8, and the next run downloads it again", async () => {
  await inNewWorld(asKit(makeTar([{ name: "config.json", content: CONFIG }])), async (world, uri) => {
    const words = ["download-to-cache", uri, "--model-name", "kits/tiny"];
    await ok(words, world);
    const layers = `${world.directory}/cache/kits/tiny/.aim/layers`;
    const [listing] = [...Deno.readDirSync(layers)];
    const unpacked = `${layers}/${listing?.name.replace("json", "tar.incomplete")}`;
    await Deno.writeFile(unpacked, makeTar([{ name: "config.json", content: "x".repeat(CONFIG.length) }]));
    await Deno.remove(`${world.directory}/cache/kits/tiny/config.json`);
    assertEquals((await run(words, world)).code, 8);
    await ok(words, world);
    assertEquals(await Deno.readTextFile(`${world.directory}/cache/kits/tiny/config.json`), CONFIG);
  });
});

Deno.test("an unpacked archive that is too short or has no readable listing is downloaded again, and the model is complete", async () => {
  await inNewWorld(asKit(makeTar([{ name: "config.json", content: CONFIG }])), async (world, uri) => {
    const words = ["download-to-cache", uri, "--model-name", "kits/tiny"];
    await ok(words, world);
    const model = `${world.directory}/cache/kits/tiny`;
    const [listing] = [...Deno.readDirSync(`${model}/.aim/layers`)];
    const path = `${model}/.aim/layers/${listing?.name}`;
    const tar = path.replace(/json$/, "tar.incomplete");
    const good = await Deno.readTextFile(path);
    for (
      const [text, size] of [
        ["", 1024],
        ['{"version":99,"kind":"files","entries":[]}', 1024],
        [good, 100],
      ] as const
    ) {
      await Deno.writeTextFile(path, text);
      await Deno.writeFile(tar, new Uint8Array(size));
      await Deno.remove(`${model}/config.json`);
      await ok(words, world);
      assertEquals(await Deno.readTextFile(`${model}/config.json`), CONFIG);
    }
  });
});

Deno.test("an archive downloaded by a killed run is verified, and downloaded again if damaged", async () => {
  await inNewWorld(asKit(makeTar([{ name: "config.json", content: CONFIG }])), async (world, uri) => {
    const words = ["download-to-cache", uri, "--model-name", "kits/tiny", "--format", "json"];
    const { bytesMoved } = JSON.parse(await ok(words, world));
    const model = `${world.directory}/cache/kits/tiny`;
    const [listing] = [...Deno.readDirSync(`${model}/.aim/layers`)];
    const path = `${model}/.aim/layers/${listing?.name}`;
    const packed = path.replace(/json$/, "packed.incomplete");
    const other = makeTar([{ name: "config.json", content: "{}" }]);
    const blobs = `${world.directory}/layout/blobs/sha256`;
    const archive = await Deno.readFile(`${blobs}/${listing?.name.replace(".json", "")}`);
    for (const [bytes, moved] of [[gzipSync(other), bytesMoved], [archive, 0]] as const) {
      await Deno.writeFile(packed, bytes);
      await Deno.remove(path);
      await Deno.remove(`${model}/config.json`);
      assertEquals(JSON.parse(await ok(words, world)).bytesMoved, moved);
      assertEquals(await Deno.readTextFile(`${model}/config.json`), CONFIG);
    }
  });
});

Deno.test("an archive cannot write to the folders that aim, git and Python keep next to a model", async () => {
  const entries = [".aim/manifest.json", ".git/hooks/post-checkout", ".cache/huggingface/x"];
  const tar = makeTar([
    { name: "config.json", content: CONFIG },
    ...entries.map((name) => ({ name, content: "{}" })),
  ]);
  await inNewWorld(asKit(tar), async (world, uri) => {
    await ok(["download-to-cache", uri, "--model-name", "kits/tiny"], world);
    const model = `${world.directory}/cache/kits/tiny`;
    assertEquals(Object.keys(await filesBelow(model)), ["config.json"]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${model}/.aim/manifest.json`)).files.length, 1);
  });
});

Deno.test("if three processes download the same archives at once, one downloads and the others wait", async () => {
  await inNewWorld(asKit(makeTar([{ name: "config.json", content: CONFIG }])), async (world, uri) => {
    const words = ["download-to-cache", uri, "--model-name", "kits/tiny", "--format", "json"];
    const reports = await Promise.all([1, 2, 3].map(() => ok(words, world)));
    const moved = reports.map((report) => JSON.parse(report).bytesMoved).sort((a, b) => a - b);
    assertEquals([moved[0], moved[1]], [0, 0]);
    assertEquals(await filesBelow(`${world.directory}/cache/kits/tiny`), {
      "config.json": MODEL["config.json"],
    });
  });
});

Deno.test("globs select files of archives, and the other files can be downloaded later", async () => {
  await using world = await startWorld();
  const make = KINDS["ORAS folder"];
  assert(make !== undefined);
  await writeLayout(
    `${world.directory}/layout`,
    await make("tar+gzip", (tar) => new Uint8Array(gzipSync(tar))),
  );
  const words = ["download-to-cache", `oci-layout:${world.directory}/layout`, "--model-name", "kits/tiny"];
  const { stderr } = await run([...words, "--include", "*.json", "--exclude", "*.bin"], world);
  const unmatched = stderr.split("\n").filter((line) => line.includes("matches no file"));
  assertEquals(unmatched.map((line) => line.includes("exclude *.bin")), [true], stderr);
  assertEquals(Object.keys(await filesBelow(`${world.directory}/cache/kits/tiny`)), ["config.json"]);
  const preview = JSON.parse(await ok([...words, "--dry-run", "--format", "json"], world));
  assertEquals(preview.models?.[0]?.files.length ?? preview.files.length, 2);
  await ok(words, world);
  assertEquals(await filesBelow(`${world.directory}/cache/kits/tiny`), MODEL);
  const none = words.with(-1, "kits/none");
  assertEquals((await run([...none, "--include", "*.gguf"], world)).code, 5);
});

Deno.test("from an image with several platforms, this machine's is selected", async () => {
  await using world = await startWorld();
  const layout = `${world.directory}/layout`;
  const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
  const manifests: unknown[] = [];
  for (const platform of ["s390x", architecture, "unknown"]) {
    const content = JSON.stringify({ model_type: platform });
    await writeLayout(
      layout,
      await image("tar", (tar) => tar, [[
        { name: "models/config.json", content },
        { name: "models/model.safetensors", content: WEIGHTS },
      ]]),
    );
    const [entry] = JSON.parse(await Deno.readTextFile(`${layout}/index.json`)).manifests;
    const os = platform === "unknown" ? "unknown" : "linux";
    manifests.push({ ...entry, platform: { os, architecture: platform } });
  }
  const write = (some: readonly unknown[]) =>
    Deno.writeTextFile(`${layout}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: some }));
  await write(manifests);
  await ok(["download-to-cache", `oci-layout:${layout}`, "--model-name", "kits/tiny"], world);
  const config = JSON.parse(await Deno.readTextFile(`${world.directory}/cache/kits/tiny/config.json`));
  assertEquals(config.model_type, architecture);
  await write([manifests[0], manifests[2]]);
  const other = await run(["download-to-cache", `oci-layout:${layout}`, "--model-name", "kits/other"], world);
  assertEquals(other.code, 5, other.stderr);
});

Deno.test("an image without /models and an encrypted layer are refused", async () => {
  await using world = await startWorld();
  const plain = await image("tar", (tar) => tar, [[{ name: "etc/passwd", content: "x" }]]);
  await writeLayout(`${world.directory}/a`, plain);
  const name = ["--model-name", "kits/none"];
  assertEquals((await run(["download-to-cache", `oci-layout:${world.directory}/a`, ...name], world)).code, 5);
  for (const made of [plain, rawKit({})]) {
    const layers = made.layers.map((layer) => ({ ...layer, mediaType: `${layer.mediaType}+encrypted` }));
    await writeLayout(`${world.directory}/b`, { ...made, layers });
    assertEquals(
      (await run(["download-to-cache", `oci-layout:${world.directory}/b`, ...name], world)).code,
      6,
    );
  }
});

const KIT = "application/vnd.kitops.modelkit";

/** A ModelKit whose layers are files, compressed in different ways or not at all. */
function rawKit(kitfile: unknown): TestArtifact {
  const layers = [
    ["model", "model.safetensors", "raw+zstd", new Uint8Array(zstdCompressSync(WEIGHTS))],
    ["code", "config.json", "raw+gzip", new Uint8Array(gzipSync(CONFIG))],
    ["code", "nested/same.json", "raw+gzip", new Uint8Array(gzipSync(CONFIG))],
    ["docs", "README.md", "raw", new TextEncoder().encode("# tiny\n")],
  ] as const;
  return {
    artifactType: `${KIT}.manifest.v1+json`,
    config: { mediaType: `${KIT}.config.v1+json`, value: kitfile },
    layers: layers.map(([type, path, format, bytes]) => ({
      mediaType: `${KIT}.${type}.v1.${format}`,
      bytes,
      annotations: { "org.cncf.model.filepath": path },
    })),
  };
}

Deno.test("compressed files of a ModelKit are decompressed in both layouts", async () => {
  await inNewWorld(rawKit({ model: { path: "model.safetensors" } }), async (world, uri) => {
    for (const flags of [[], ["--use-hf-cache"]]) {
      const words = ["download-to-cache", uri, "--model-name", "kits/tiny", "--format", "json", ...flags];
      const first = JSON.parse(await ok(words, world));
      const { "README.md": _, ...files } = await filesBelow(first.path);
      assertEquals(files, { ...MODEL, "nested/same.json": MODEL["config.json"] });
      assertEquals(JSON.parse(await ok(words, world)).bytesMoved, 0);
    }
    await ok(["cache", "verify", "kits/tiny"], world);
  });
});

Deno.test("a ModelKit that refers to another one for its model exits with 5 and names the other one", async () => {
  const kit = rawKit({ model: { path: "registry.example/org/base:v1" } });
  const child = { ...kit, layers: kit.layers.slice(1) };
  await inNewWorld(child, async (world, uri) => {
    const { code, stderr } = await run(["download-to-cache", uri, "--model-name", "kits/tiny"], world);
    assertEquals(code, 5, stderr);
    assert(stderr.includes("registry.example/org/base:v1"), stderr);
    assertEquals((await run(["resolve", "kits/tiny"], world)).code, 5);
  });
});

Deno.test("an index of several artifacts exits with 2 and lists their digests", async () => {
  await using world = await startWorld();
  const layout = `${world.directory}/layout`;
  const entries = [];
  for (const path of ["a", "b"]) {
    await writeLayout(layout, rawKit({ model: { path } }));
    entries.push(...JSON.parse(await Deno.readTextFile(`${layout}/index.json`)).manifests);
  }
  await Deno.writeTextFile(`${layout}/index.json`, JSON.stringify({ manifests: entries }));
  const { code, stderr } = await run(["size", `oci-layout:${layout}`], world);
  assertEquals(code, 2, stderr);
  for (const { digest } of entries) assert(stderr.includes(digest), stderr);
});

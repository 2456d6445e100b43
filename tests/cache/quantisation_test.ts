// One GGUF quantisation of a repository that has several, from its reference to the engine's command line.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ggufFiles, isQuantisation, quantisationsOf } from "../../src/sources/quantisation.ts";
import { aim } from "../cli/aim.ts";
import { python, withoutPython } from "../interop/python_client.ts";
import { type HubServer, startHub } from "../servers/hub_server.ts";

const gguf = (size: number) => {
  const bytes = new Uint8Array(size).fill(7);
  bytes.set(new TextEncoder().encode("GGUF"));
  return bytes;
};
const FILES = {
  "README.md": "# a model",
  "config.json": '{"model_type":"llama"}',
  "tokenizer.json": "{}",
  "model.safetensors": gguf(900),
  "m-Q4_K_M.gguf": gguf(50_000),
  "m-Q8_0.gguf": gguf(80_000),
  "mmproj-F16.gguf": gguf(1_000),
  "BF16/m-BF16-00001-of-00002.gguf": gguf(60_000),
  "BF16/m-BF16-00002-of-00002.gguf": gguf(61_000),
};
const BESIDE = ["README.md", "config.json", "tokenizer.json"];

interface World extends AsyncDisposable {
  readonly hub: HubServer;
  readonly cache: string;
  readonly run: (...args: string[]) => ReturnType<typeof aim>;
  readonly offline: World["run"];
}

async function world(): Promise<World> {
  const hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  const base = await Deno.makeTempDir();
  // The engine prints its command line.
  await Deno.writeTextFile(`${base}/python`, '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
  const env = {
    HF_ENDPOINT: hub.url,
    AIM_CACHE_PATH: `${base}/cache`,
    AIM_GPU_MODEL: "MI300X",
    AIM_GPU_COUNT: "1",
    PATH: `${base}:${Deno.env.get("PATH")}`,
  };
  return {
    hub,
    cache: `${base}/cache`,
    run: (...args) => aim(args, { env }),
    offline: (...args) => aim(args, { env: { ...env, HF_HUB_OFFLINE: "1" } }),
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await Deno.remove(base, { recursive: true });
    },
  };
}

/** Files below a directory, without bookkeeping. */
async function filesIn(directory: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if ([".aim", ".cache"].includes(name)) continue;
    if (isDirectory) found.push(...await filesIn(`${directory}/${name}`, `${prefix}${name}/`));
    else found.push(`${prefix}${name}`);
  }
  return found.sort();
}

/** File types (`LlamaFileType`) and tensor types (`GGMLQuantizationType`) of Python's gguf package, 0.x. */
const TYPES =
  "BF16 F16 F32 F64 I16 I32 I64 I8 IQ1_M IQ1_S IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ3_M IQ3_S IQ3_XS IQ3_XXS IQ4_NL IQ4_XS MXFP4 MXFP4_MOE NVFP4 Q1_0 Q2_K Q2_K_S Q3_K Q3_K_L Q3_K_M Q3_K_S Q4_0 Q4_1 Q4_K Q4_K_M Q4_K_S Q5_0 Q5_1 Q5_K Q5_K_M Q5_K_S Q6_K Q8_0 Q8_1 Q8_K TQ1_0 TQ2_0";

const modelArgument = (stdout: string) => /^--model\n(.*)$/m.exec(stdout)?.[1];

Deno.test("a quantisation's files match vLLM's choice, regardless of folder, case and separator", () => {
  const paths = [
    ...Object.keys(FILES),
    "x.Q5_K_S.gguf",
    "qwen-q6_k.gguf",
    "m-UD-Q4_K_XL.gguf",
    "m-IQ2_M.gguf",
    "m-F16.gguf",
  ];
  assertEquals(ggufFiles(paths, "BF16"), [
    "BF16/m-BF16-00001-of-00002.gguf",
    "BF16/m-BF16-00002-of-00002.gguf",
  ]);
  assertEquals(ggufFiles(paths, "F16"), ["m-F16.gguf"]);
  assertEquals(ggufFiles(paths, "Q6_K"), ["qwen-q6_k.gguf"]);
  assertEquals(ggufFiles(paths, "Q4_K_XL"), ["m-UD-Q4_K_XL.gguf"]);
  assertEquals(ggufFiles(paths, "Q4_K"), []);
  assertEquals(quantisationsOf(paths), [
    ...["BF16", "F16", "IQ2_M", "Q4_K_M", "Q5_K_S", "Q6_K", "Q8_0", "UD-Q4_K_XL"],
  ]);
});

Deno.test("every type of the gguf package is a quantisation; branch names are not", () => {
  const types = TYPES.split(" ");
  assertEquals(types.filter((type) => !isQuantisation(type)), []);
  for (const type of ["UD-Q4_K_XL", "Q3_K_L", "Q2_K_XL"]) assert(isQuantisation(type), type);
  for (const branch of ["main", "v1.0", "fp16", "q4_k_m", "Q4", "4bit", "K_M", "", "Q4_K_M-x"]) {
    assert(!isQuantisation(branch), branch);
  }
});

for (const layout of ["local", "hub"] as const) {
  const flags = layout === "hub" ? ["--use-hf-cache"] : [];
  const place = ({ cache, hub }: World) =>
    layout === "local"
      ? `${cache}/org/model`
      : `${cache}/hub/models--org--model/snapshots/${hub.commit("org/model")}`;

  Deno.test(`only the requested quantisation is downloaded into the ${layout} layout, and its file is served`, async () => {
    await using own = await world();
    const downloaded = await own.run("download-to-cache", "org/model:Q4_K_M", ...flags);
    assertEquals(downloaded.code, 0, downloaded.stderr);
    assertEquals(await filesIn(place(own)), [...BESIDE, "m-Q4_K_M.gguf"].sort());
    const found = await own.offline("resolve", "hf://org/model:Q4_K_M", "--json");
    const { kind, path, gguf } = JSON.parse(found.stdout);
    assertEquals([found.code, kind, path, gguf], [0, "path", place(own), "m-Q4_K_M.gguf"]);
    const served = await own.offline("serve", "org/model:Q4_K_M");
    assertEquals(served.code, 0, served.stderr);
    assertEquals(modelArgument(served.stdout), `${place(own)}/m-Q4_K_M.gguf`);
    const other = await own.offline("resolve", "org/model:Q8_0");
    assertEquals(other.code, 5);
    assertStringIncludes(other.stdout, "Q4_K_M");
    const again = await own.offline("download-to-cache", "org/model:Q4_K_M", ...flags, "--json");
    const { files, bytesMoved } = JSON.parse(again.stdout);
    assertEquals([again.code, files, bytesMoved], [0, 4, 0]);
    assertEquals((await own.offline("download-to-cache", "org/model:Q8_0", ...flags)).code, 5);
  });

  Deno.test(`completeness is judged per quantisation in the ${layout} layout`, async () => {
    await using own = await world();
    await own.run("download-to-cache", "org/model:Q4_K_M", ...flags);
    own.hub.faults.push({ kind: "status", status: 403, file: "m-Q8_0.gguf" });
    const failed = await own.run("download-to-cache", "org/model:Q8_0", ...flags);
    assert(failed.code !== 0);
    const state = async (quantisation: string) =>
      (await own.offline("resolve", `org/model:${quantisation}`)).code;
    assertEquals([await state("Q4_K_M"), await state("Q8_0")], [0, 5], "after an interrupted download");
    own.hub.faults.length = 0;
    assertEquals((await own.run("download-to-cache", "org/model:Q8_0", ...flags)).code, 0);
    assertEquals((await own.run("download-to-cache", "org/model:BF16", ...flags)).code, 0);
    assertEquals([await state("Q4_K_M"), await state("Q8_0"), await state("BF16")], [0, 0, 0]);
    assertEquals(
      await filesIn(place(own)),
      Object.keys(FILES).filter((path) => !/safetensors|mmproj/.test(path)).sort(),
    );
    const served = await own.offline("serve", "org/model:BF16");
    assertEquals(modelArgument(served.stdout), `${place(own)}/BF16/m-BF16-00001-of-00002.gguf`);
    await Deno.remove(await Deno.realPath(`${place(own)}/BF16/m-BF16-00002-of-00002.gguf`));
    assertEquals([await state("Q4_K_M"), await state("Q8_0"), await state("BF16")], [0, 0, 5]);
    const verified = await own.run("cache", "verify", "org/model");
    assertEquals(verified.code, 8);
    assertMatch(verified.stdout, /m-BF16-00002-of-00002\.gguf/);
    assertEquals((await own.run("download-to-cache", "org/model:BF16", ...flags)).code, 0);
    assertEquals(await state("BF16"), 0);
  });
}

const SNAPSHOT = `
import sys
from huggingface_hub import snapshot_download
layout, cache, quant = sys.argv[1:4]
where = {"local_dir": cache + "/org/model"} if layout == "local" else {"cache_dir": cache + "/hub"}
print(snapshot_download("org/model", allow_patterns=["*.json", f"*-{quant}.gguf", f"*-{quant}-*.gguf"], **where))
`;

for (const layout of ["local", "hub"] as const) {
  Deno.test({
    name: `a quantisation downloaded by Python's client into the ${layout} layout is found, and the reverse${
      withoutPython === null ? "" : ` (skipped: ${withoutPython})`
    }`,
    ignore: withoutPython !== null,
    async fn() {
      await using own = await world();
      const snapshot = async (quantisation: string) => {
        const ran = await python(SNAPSHOT, [layout, own.cache, quantisation], {
          HF_ENDPOINT: own.hub.url,
          HOME: own.cache,
        });
        assertEquals(ran.code, 0, ran.stderr);
      };
      const states = async () => {
        const codes = ["Q4_K_M", "BF16", "Q8_0"].map((one) => own.offline("resolve", `org/model:${one}`));
        return (await Promise.all(codes)).map(({ code }) => code);
      };
      await snapshot("Q4_K_M");
      await snapshot("BF16");
      assertEquals(await states(), [0, 0, 5]);
      // The third one's download was interrupted, as Python's client leaves it.
      const { sha256 } = own.hub.digests("org/model", "m-Q8_0.gguf");
      const left = layout === "local"
        ? `${own.cache}/org/model/.cache/huggingface/download/x.${sha256}.incomplete`
        : `${own.cache}/hub/models--org--model/blobs/${sha256}.incomplete`;
      await Deno.writeFile(left, gguf(1000));
      assertEquals(await states(), [0, 0, 5]);
      const flags = layout === "hub" ? ["--use-hf-cache"] : [];
      assertEquals((await own.run("download-to-cache", "org/model:Q8_0", ...flags)).code, 0);
      assertEquals(await states(), [0, 0, 0]);
      const asked = own.hub.requests.length;
      await snapshot("Q8_0");
      const moved = own.hub.requests.slice(asked).filter(({ method, role }) =>
        method === "GET" && role !== "api"
      );
      assertEquals(moved.map(({ file }) => file), []);
    },
  });
}

Deno.test("partial files of one quantisation, copied by other tools, do not make another partial", async () => {
  await using own = await world();
  const folder = `${own.cache}/org/model`;
  await Deno.mkdir(folder, { recursive: true });
  for (const name of ["m-Q4_K_M.gguf", "m-Q8_0.gguf.part", "m-Q6_K.gguf", "m-Q6_K.gguf.aria2"]) {
    await Deno.writeFile(`${folder}/${name}`, gguf(100));
  }
  const codes = ["Q4_K_M", "Q8_0", "Q6_K"].map((one) => own.offline("resolve", `org/model:${one}`));
  assertEquals((await Promise.all(codes)).map(({ code }) => code), [0, 5, 5]);
});

Deno.test("without a record, an incomplete set of shards is partial, and another quantisation next to it is complete", async () => {
  await using own = await world();
  const folder = `${own.cache}/org/model`;
  await Deno.mkdir(folder, { recursive: true });
  for (const name of ["m-Q4_K_M-00001-of-00002.gguf", "m-Q8_0.gguf"]) {
    await Deno.writeFile(`${folder}/${name}`, gguf(100));
  }
  const cut = await own.run("resolve", "org/model:Q4_K_M", "--json");
  assertEquals(cut.code, 5);
  assertMatch(JSON.parse(cut.stdout).looked[0].reason, /m-Q4_K_M-00002-of-00002\.gguf is missing/);
  assertEquals((await own.run("resolve", "org/model:Q8_0")).code, 0);
});

Deno.test("size, fetch, a preview and serve's download use only the quantisation's files", async () => {
  await using own = await world();
  const beside = BESIDE.reduce((sum, path) => sum + String(FILES[path as "README.md"]).length, 0);
  const size = await own.run("size", "org/model:BF16");
  assertEquals(JSON.parse(size.stdout).sizeBytes, 121_000 + beside);
  const fetched = await own.run("fetch", "hf://org/model:Q8_0", `${own.cache}/fetched`);
  assertEquals(fetched.code, 0, fetched.stderr);
  assertEquals(await filesIn(`${own.cache}/fetched`), [...BESIDE, "m-Q8_0.gguf"].sort());
  const preview = await own.run("download-to-cache", "org/model:Q8_0", "--dry-run", "--json");
  assertEquals(JSON.parse(preview.stdout).models[0].bytes, 80_000 + beside);
  const [dry] = JSON.parse((await own.run("dry-run", "org/model:Q8_0", "--json")).stdout);
  assertEquals(dry.models[0].source, "hf://org/model:Q8_0");
  const served = await own.run("serve", "org/model:Q8_0");
  assertEquals(served.code, 0, served.stderr);
  assertMatch(modelArgument(served.stdout) ?? "", /\/hub\/models--org--model\/snapshots\/\w+\/m-Q8_0\.gguf$/);
});

Deno.test("a quantisation that a repository does not have is exit 5 with a list of those it has", async () => {
  await using own = await world();
  const commands = [
    ["size", "org/model:Q5_K_M"],
    ["download-to-cache", "org/model:Q5_K_M"],
    ["fetch", "org/model:Q5_K_M", `${own.cache}/fetched`],
    ["serve", "org/model:Q5_K_M"],
  ];
  for (const args of commands) {
    const ran = await own.run(...args);
    assertEquals(ran.code, 5, ran.stderr);
    assertMatch(ran.stderr, /BF16, Q4_K_M, Q8_0/);
  }
});

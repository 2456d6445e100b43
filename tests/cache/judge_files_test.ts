import { assertEquals, assertMatch } from "@std/assert";
import { judgeFiles, judgeRecorded } from "../../src/cache/judge_files.ts";

const INDEX = JSON.stringify({
  weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
});
const BIN_INDEX = INDEX.replaceAll("model-", "pytorch_model-").replaceAll("safetensors", "bin");
const CONSOLIDATED = INDEX.replaceAll("model-", "consolidated-");

/** Files of one byte each (`name:0` is empty), what is made of them, and what the reason says. */
const CASES: readonly [files: string, state: string, reason: RegExp, texts?: Record<string, string>][] = [
  ["", "absent", /no file/],
  ["config.json", "partial", /no weights/],
  ["README.md tokenizer.json", "partial", /no weights/],
  ["config.json model.safetensors", "complete", /config\.json and weights/],
  ["config.json pytorch_model.bin", "complete", /weights/],
  ["config.json model.pt", "complete", /weights/],
  ["config.json consolidated.00.pth", "complete", /weights/],
  ["params.json consolidated.safetensors", "complete", /params\.json/],
  ["model-Q4_K_M.gguf", "complete", /a GGUF file/],
  ["m-00001-of-00002.gguf", "partial", /^m-00002-of-00002\.gguf is missing/],
  ["m-00001-of-00002.gguf m-00002-of-00002.gguf", "complete", /GGUF/],
  ["model.safetensors", "partial", /config\.json is missing/],
  ["config.json:0 model.safetensors", "partial", /config\.json is missing/],
  ["config.json model.safetensors:0", "partial", /model\.safetensors is empty/],
  [
    "config.json model-00001-of-00002.safetensors",
    "partial",
    /^model-00002-of-00002\.safetensors is missing/,
  ],
  [
    "config.json model-00001-of-000163.safetensors",
    "partial",
    /^model-00002-of-000163\.safetensors and 161 more are/,
  ],
  ["config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors", "complete", /weights/],
  [
    "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors:0",
    "partial",
    /^model-00002-of-00002\.safetensors is missing/,
  ],
  [
    "config.json model-00001-of-00002.safetensors model.safetensors.index.json",
    "partial",
    /^model-00002-of-00002\.safetensors is missing \(named in model\.safetensors\.index\.json\)/,
    { "model.safetensors.index.json": INDEX },
  ],
  [
    "config.json model.safetensors.index.json",
    "partial",
    /^model-00001-of-00002\.safetensors and 1 more are missing/,
    { "model.safetensors.index.json": INDEX },
  ],
  [
    "params.json consolidated-00001-of-00002.safetensors consolidated.safetensors.index.json",
    "partial",
    /^consolidated-00002-of-00002\.safetensors is missing/,
    { "consolidated.safetensors.index.json": CONSOLIDATED },
  ],
  [
    "config.json model.safetensors pytorch_model.bin.index.json",
    "complete",
    /weights/,
    { "pytorch_model.bin.index.json": BIN_INDEX },
  ],
  [
    "config.json consolidated.safetensors model.safetensors.index.json",
    "complete",
    /weights/,
    { "model.safetensors.index.json": INDEX },
  ],
  ["config.json model.safetensors model.safetensors.index.json", "partial", /cannot be read/, {
    "model.safetensors.index.json": '{"weight_map":',
  }],
  ["config.json model.safetensors.index.json model.safetensors", "partial", /cannot be read/, {
    "model.safetensors.index.json": "[]",
  }],
  ["adapter_config.json adapter_model.safetensors", "partial", /an adapter/],
  ["config.json optimizer.pt training_args.bin", "partial", /no weights/],
  ["config.json sub/model.safetensors", "partial", /no weights/],
  [
    "config.json model.safetensors model.safetensors.incomplete",
    "partial",
    /unfinished \(model\.safetensors\.incomplete\)/,
  ],
  ["config.json model.safetensors x.aim-0123abcd.incomplete.parts", "partial", /unfinished/],
  ["config.json model.safetensors model.safetensors.aria2", "partial", /unfinished/],
  ["config.json model.safetensors \x1b[31m.incomplete", "partial", /\(\ufffd\[31m\.incomplete\)$/],
];

Deno.test("a directory without a manifest is judged by what lies in it", async (t) => {
  for (const [files, state, reason, texts = {}] of CASES) {
    await t.step(`${files || "nothing"} is ${state}`, async () => {
      const judged = await judgeFiles(sizes(files), (name) => Promise.resolve(texts[name] ?? null));
      assertEquals(judged.state, state, judged.reason);
      assertMatch(judged.reason, reason);
    });
  }
});

Deno.test("a directory with a manifest is judged by it", async (t) => {
  const cases: readonly [recorded: string, there: string, state: string, reason: RegExp][] = [
    [
      "config.json model.safetensors",
      "config.json model.safetensors",
      "complete",
      /^whole by its manifest: 2 files$/,
    ],
    ["unet/diffusion.safetensors", "unet/diffusion.safetensors", "complete", /: 1 file$/],
    ["a.json adapter_model.safetensors", "a.json adapter_model.safetensors", "complete", /2 files/],
    ["config.json model.safetensors", "config.json", "partial", /^model\.safetensors is missing$/],
    [
      "config.json model.safetensors",
      "config.json model.safetensors:0",
      "partial",
      /has 0 bytes instead of 1$/,
    ],
    ["config.json", "config.json", "partial", /without any weights/],
    // Left behind by a process that was killed; the manifest's files are whole all the same.
    [
      "config.json model.safetensors",
      "config.json model.safetensors x.aim-0123abcd.incomplete",
      "complete",
      /2 files/,
    ],
    // A file of the model that is named like a partial one.
    ["m.gguf x.incomplete", "m.gguf x.incomplete", "complete", /2 files/],
    // What a filter left of a model.
    ["m.safetensors", "m.safetensors", "partial", /^config\.json is missing$/],
    ["m.safetensors params.json", "m.safetensors params.json", "complete", /2 files/],
    [
      "config.json model-00001-of-00002.safetensors",
      "config.json model-00001-of-00002.safetensors",
      "partial",
      /00002-of/,
    ],
  ];
  for (const [recorded, there, state, reason] of cases) {
    await t.step(`${recorded} with ${there} is ${state}`, async () => {
      const files = [...sizes(recorded)].map(([path, size]) => ({ path, size, digest: null, etag: "" }));
      const judged = await judgeRecorded(files, sizes(there), () => Promise.resolve(null));
      assertEquals(judged.state, state, judged.reason);
      assertMatch(judged.reason, reason);
    });
  }
});

function sizes(files: string): Map<string, number> {
  return new Map(
    files.split(" ").filter((one) => one !== "").map((one) => {
      const [path = "", size = "1"] = one.split(":");
      return [path, Number(size)];
    }),
  );
}

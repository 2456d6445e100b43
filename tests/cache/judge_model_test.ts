import { assertEquals, assertMatch } from "@std/assert";
import { judgeModel } from "../../src/cache/judge/judge_model.ts";
import type { Head, ModelContents } from "../../src/cache/judge/types.ts";
import { formatOf } from "../../src/cache/judge/weight_files.ts";

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
  ["config.json model.safetensors", "complete", /config\.json and all weights/],
  ["config.json pytorch_model.bin", "complete", /weights/],
  ["config.json model.pt", "complete", /weights/],
  ["config.json consolidated.00.pth", "complete", /weights/],
  ["params.json consolidated.safetensors", "complete", /params\.json/],
  ["model-Q4_K_M.gguf", "complete", /a GGUF file/],
  ["m-00001-of-00002.gguf", "partial", /^m-00002-of-00002\.gguf is missing/],
  ["m-00001-of-00002.gguf m-00002-of-00002.gguf", "complete", /GGUF/],
  ["model.safetensors", "partial", /config\.json is missing/],
  ["config.json:0 model.safetensors", "damaged", /config\.json is empty/],
  ["config.json model.safetensors", "damaged", /config\.json is not a JSON object/, { "config.json": "<p>" }],
  ["config.json model.safetensors:0", "damaged", /model\.safetensors is empty/],
  [
    "config.json model-00001-of-00002.safetensors",
    "partial",
    /^model-00002-of-00002\.safetensors is missing/,
  ],
  [
    "config.json model-00001-of-000163.safetensors",
    "partial",
    /^model-00002-of-000163\.safetensors is missing \(.*\), and 161 more/,
  ],
  ["config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors", "complete", /weights/],
  [
    "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors:0",
    "damaged",
    /^model-00002-of-00002\.safetensors is empty/,
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
    /^model-00001-of-00002\.safetensors is missing .*, and 1 more/,
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
  ["config.json model.safetensors model.safetensors.index.json", "damaged", /is not an index/, {
    "model.safetensors.index.json": '{"weight_map":',
  }],
  ["config.json model.safetensors.index.json model.safetensors", "damaged", /is not an index/, {
    "model.safetensors.index.json": "[]",
  }],
  ["adapter_config.json adapter_model.safetensors", "partial", /an adapter/],
  ["config.json optimizer.pt training_args.bin", "partial", /no weights/],
  ["config.json sub/model.safetensors", "partial", /no weights/],
  // Shards that count from 0, and names that say more than the index.
  [
    "config.json model-00000-of-00003.safetensors model-00001-of-00003.safetensors model.safetensors.index.json",
    "complete",
    /all weights/,
    {
      "model.safetensors.index.json": index(
        "model-00000-of-00003.safetensors",
        "model-00001-of-00003.safetensors",
      ),
    },
  ],
  [
    "config.json model-00000-of-00002.safetensors model-00001-of-00002.safetensors",
    "complete",
    /all weights/,
  ],
  [
    "config.json model-00000-of-00002.safetensors",
    "partial",
    /^model-00001-of-00002\.safetensors is missing/,
  ],
  // Two indexes: the one that engines read decides.
  [
    "config.json model.safetensors.index.json model.fp16.safetensors.index.json model-00001-of-00001.safetensors",
    "complete",
    /all weights/,
    {
      "model.safetensors.index.json": index("model-00001-of-00001.safetensors"),
      "model.fp16.safetensors.index.json": index("model.fp16-00001-of-00002.safetensors"),
    },
  ],
  [
    "config.json model.safetensors.index.json model.fp16.safetensors.index.json model.fp16-00001-of-00001.safetensors",
    "partial",
    /^model-00001-of-00001\.safetensors is missing/,
    {
      "model.safetensors.index.json": index("model-00001-of-00001.safetensors"),
      "model.fp16.safetensors.index.json": index("model.fp16-00001-of-00001.safetensors"),
    },
  ],
  // An index next to a single file: vLLM loads what the index names.
  ["config.json model.safetensors model.safetensors.index.json", "complete", /all weights/, {
    "model.safetensors.index.json": index("model.safetensors"),
  }],
  [
    "config.json model.safetensors model.safetensors.index.json",
    "partial",
    /^model-00001-of-00002\.safe.* is missing/,
    {
      "model.safetensors.index.json": INDEX,
    },
  ],
  [
    "config.json consolidated.safetensors model-00001-of-00002.safetensors model-00002-of-00002.safetensors params.json",
    "complete",
    /all weights/,
  ],
  [
    "params.json config.json model.safetensors consolidated-00001-of-00002.safetensors",
    "partial",
    /^consolidated-00002-of-00002\.safetensors is missing/,
  ],
  [
    "config.json pytorch_model-00001-of-00002.bin pytorch_model.bin.index.json",
    "partial",
    /^pytorch_model-00002-of-/,
    {
      "pytorch_model.bin.index.json": BIN_INDEX,
    },
  ],
  ["config.json model.safetensors pytorch_model-00001-of-00002.bin", "complete", /all weights/],
  ["config.json model.safetensors.index.json sub/model-1.safetensors", "complete", /all weights/, {
    "model.safetensors.index.json": index("sub/model-1.safetensors"),
  }],
  ["config.json model.safetensors.index.json", "partial", /^sub\/model-1\.safetensors is missing/, {
    "model.safetensors.index.json": index("sub/model-1.safetensors"),
  }],
  ["config.json model.safetensors.index.json", "damaged", /\.\.\/m\.safetensors .* is outside/, {
    "model.safetensors.index.json": index("../m.safetensors"),
  }],
  [
    "model_index.json unet/m.safetensors vae/m-00001-of-00002.safetensors",
    "partial",
    /^vae\/m-00002-of-00002/,
  ],
  ["model_index.json unet/config.json unet/m.safetensors", "complete", /model_index\.json/],
  ["model_index.json", "partial", /components/],
  ["a-00001-of-00002.gguf a-00002-of-00002.gguf b.gguf", "complete", /GGUF/],
  // Only what an engine reads counts.
  ["config.json model.safetensors README.md?", "complete", /all weights/],
  ["config.json model.safetensors tokenizer.json?", "partial", /^tokenizer\.json is missing$/],
  ["config.json model.safetensors?", "partial", /^model\.safetensors is missing$/],
  ["config.json? model.safetensors", "partial", /^config\.json is missing$/],
  ["\x1b[31mconfig.json model-\x1b-00001-of-00002.safetensors config.json", "partial", /^model-\S+-00002-of/],
];

Deno.test("a directory without a record is judged by its files", async (t) => {
  for (const [files, state, reason, texts = {}] of CASES) {
    await t.step(`${files || "nothing"} is ${state}`, () => {
      const judged = judgeModel(contents(files, { text: (path) => texts[path] ?? "{}" }));
      assertEquals(judged.state, state, judged.reason);
      assertMatch(judged.reason, reason);
    });
  }
});

Deno.test("a model is judged by its record if it has one", async (t) => {
  const cases: readonly [recorded: string, there: string, state: string, reason: RegExp][] = [
    ["config.json model.safetensors", "config.json model.safetensors", "complete", /: 2 files$/],
    ["unet/diffusion.safetensors", "unet/diffusion.safetensors", "complete", /: 1 file$/],
    [
      "adapter_config.json adapter_model.safetensors",
      "adapter_config.json adapter_model.safetensors",
      "partial",
      /adapter/,
    ],
    ["config.json model.safetensors", "config.json", "partial", /^model\.safetensors is missing$/],
    [
      "config.json model.safetensors",
      "config.json model.safetensors?",
      "partial",
      /^model\.safetensors is missing$/,
    ],
    [
      "config.json model.safetensors",
      "config.json model.safetensors:0",
      "damaged",
      /has 0 bytes instead of 1$/,
    ],
    ["config.json README.md", "config.json README.md", "partial", /without weights/],
    // Left behind by a process that was killed; the record's files are complete all the same.
    [
      "config.json model.safetensors",
      "config.json model.safetensors x.aim-0123abcd.incomplete",
      "complete",
      /2 files/,
    ],
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
    await t.step(`${recorded} with ${there} is ${state}`, () => {
      const record = [...sizes(recorded)].map(([path, size]) => ({ path, size, digest: null, etag: "" }));
      const judged = judgeModel(contents(there, { record }));
      assertEquals(judged.state, state, judged.reason);
      assertMatch(judged.reason, reason);
    });
  }
});

Deno.test("files that are not weights, or cannot be read, are named with what fixes it", async (t) => {
  const cases: readonly [path: string, head: Head, state: string, remedy: string | null][] = [
    ["model.safetensors", { kind: "zeros" }, "damaged", "repair"],
    ["model.safetensors", { kind: "pointer" }, "damaged", "repair"],
    ["model.safetensors", { kind: "html" }, "damaged", "repair"],
    ["model.safetensors", { kind: "other" }, "damaged", "repair"],
    ["model.safetensors", { kind: "gguf" }, "damaged", "repair"],
    ["model.safetensors", { kind: "safetensors", length: 2 }, "damaged", "repair"],
    ["model.safetensors", { kind: "safetensors", length: 1 }, "complete", null],
    ["model.safetensors", { kind: "unreadable", why: "EACCES" }, "damaged", "permissions"],
    ["tokenizer.json", { kind: "pointer" }, "damaged", "repair"],
    ["tokenizer.json", { kind: "unreadable", why: "EACCES" }, "damaged", "permissions"],
    ["config.json", { kind: "unreadable", why: "EACCES" }, "damaged", "permissions"],
    ["notes.txt", { kind: "unreadable", why: "EACCES" }, "complete", null],
    // What an engine does not load next to a complete set of safetensors.
    ["pytorch_model.bin", { kind: "pointer" }, "complete", null],
    ["pytorch_model.bin", { kind: "unreadable", why: "EACCES" }, "complete", null],
  ];
  for (const [path, head, state, remedy] of cases) {
    await t.step(`${path} that is ${JSON.stringify(head)}: ${state}`, () => {
      const there = new Set(["config.json", "model.safetensors", path]);
      const heads = new Map<string, Head>([["model.safetensors", { kind: "safetensors", length: 1 }], [
        path,
        head,
      ]]);
      const judged = judgeModel(
        contents([...there].join(" "), { head: (path) => heads.get(path) ?? { kind: "other" } }),
      );
      assertEquals(judged.state, state, judged.reason);
      assertEquals("remedy" in judged ? judged.remedy : null, remedy);
      if (remedy !== null && "faults" in judged) assertEquals(judged.faults.map((one) => one.path), [path]);
    });
  }
});

Deno.test("what cache verify found bad is damaged, whatever else is there", () => {
  const judged = judgeModel(
    contents("config.json model.safetensors", {
      foundBad: new Map([["model.safetensors", "its sha256 is x"]]),
    }),
  );
  assertEquals([judged.state, "remedy" in judged && judged.remedy], ["damaged", "repair"]);
});

Deno.test("every model of a pipeline's folders, and every format, is known by name", () => {
  const cases: readonly [string, ReturnType<typeof formatOf>][] = [
    ["model.safetensors", "safetensors"],
    ["consolidated.00.pth", "consolidated"],
    ["consolidated-00001-of-00002.safetensors", "consolidated"],
    ["pytorch_model.bin", "bin"],
    ["training_args.bin", null],
    ["adapter_model.safetensors", null],
    ["tokenizer.json", null],
    ["m.Q4_K_M.gguf", "gguf"],
    ["model.pt", "pt"],
  ];
  for (const [name, format] of cases) assertEquals(formatOf(name), format, name);
});

function contents(files: string, more: Partial<ModelContents> = {}): ModelContents {
  return {
    files: sizes(files),
    dangling: files.split(" ").filter((one) => one.endsWith("?")).map((one) => one.slice(0, -1)),
    record: null,
    noted: new Map(),
    unfinished: null,
    foundBad: new Map(),
    weightsFolder: null,
    head: (path, length) =>
      path.endsWith(".gguf")
        ? { kind: "gguf" }
        : path.endsWith(".safetensors")
        ? { kind: "safetensors", length }
        : { kind: "other" },
    text: () => "{}",
    ...more,
  };
}

/** `name:0` is empty, `name?` is a link that leads nowhere; every other file has one byte. */
function sizes(files: string): Map<string, number> {
  return new Map(
    files.split(" ").filter((one) => one !== "" && !one.endsWith("?")).map((one) => {
      const [path = "", size = "1"] = one.split(":");
      return [path, Number(size)];
    }),
  );
}

function index(...shards: string[]): string {
  return JSON.stringify({
    metadata: {},
    weight_map: Object.fromEntries(shards.map((one, i) => [`w${i}`, one])),
  });
}

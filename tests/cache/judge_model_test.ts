import { assertEquals, assertMatch } from "@std/assert";
import { judgeModel, type ModelContents } from "../../src/cache/judge/judge_model.ts";
import { wrongContent } from "../../src/cache/judge/read_head.ts";
import { formatOf } from "../../src/cache/judge/weight_files.ts";

const INDEX = JSON.stringify({
  weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
});
const BIN_INDEX = INDEX.replaceAll("model-", "pytorch_model-").replaceAll("safetensors", "bin");
const CONSOLIDATED = INDEX.replaceAll("model-", "consolidated-");

/** Files of one byte each (`name:0` is empty), the state they are in, and the reason given. */
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
  // Shards numbered from 0, and shard names that count more shards than the index lists.
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
  // Of two indexes, the one that engines read counts.
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
  // A dangling link matters only for a file that an engine reads.
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
    // A killed process left a partial file; the record's files are complete.
    [
      "config.json model.safetensors",
      "config.json model.safetensors x.aim-0123abcd.incomplete",
      "complete",
      /2 files/,
    ],
    ["m.gguf x.incomplete", "m.gguf x.incomplete", "complete", /2 files/],
    // A filtered download.
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

Deno.test("files with wrong content or without read permission are named, with the remedy", async (t) => {
  const pointer = "version https://git-lfs.github.com/spec/v1\n";
  const cases: readonly [path: string, bytes: string | null, state: string, remedy: string | null][] = [
    ["model.safetensors", "\0".repeat(100), "damaged", "repair"],
    ["model.safetensors", pointer, "damaged", "repair"],
    ["model.safetensors", "<!DOCTYPE html>", "damaged", "repair"],
    ["model.safetensors", "something else", "damaged", "repair"],
    ["model.safetensors", "GGUF", "damaged", "repair"],
    ["model.gguf", "something else", "complete", null],
    ["model.safetensors", `${SAFETENSORS}more`, "damaged", "repair"],
    ["model.safetensors", SAFETENSORS.slice(0, -1), "damaged", "repair"],
    ["model.safetensors", SAFETENSORS, "complete", null],
    ["model.safetensors", null, "damaged", "permissions"],
    ["tokenizer.json", pointer, "damaged", "repair"],
    ["tokenizer.json", null, "damaged", "permissions"],
    ["config.json", null, "damaged", "permissions"],
    ["notes.txt", null, "complete", null],
    // An engine does not load these next to a complete set of safetensors.
    ["pytorch_model.bin", pointer, "complete", null],
    ["pytorch_model.bin", null, "complete", null],
  ];
  for (const [path, bytes, state, remedy] of cases) {
    await t.step(`${path} that is ${JSON.stringify(bytes)}: ${state}`, () => {
      const texts: Readonly<Record<string, string | null>> = {
        "model.safetensors": SAFETENSORS,
        [path]: bytes,
      };
      const files = new Map(
        ["config.json", "model.safetensors", path].map((one) => [one, texts[one]?.length ?? 2]),
      );
      const judged = judgeModel({ ...contents(""), files, head: (one) => headOf(one, texts[one]) });
      assertEquals(judged.state, state, judged.reason);
      assertEquals("remedy" in judged ? judged.remedy : null, remedy);
      if (remedy !== null && "faults" in judged) assertEquals(judged.faults.map((one) => one.path), [path]);
    });
  }
});

/** A header with one tensor of four bytes, and its bytes. */
const HEADER = '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
const SAFETENSORS = `${String.fromCharCode(HEADER.length)}${"\0".repeat(7)}${HEADER}wxyz`;

/** @param text The bytes of a file; `null` if it is unreadable. */
function headOf(path: string, text: string | null = "{}"): ReturnType<ModelContents["head"]> {
  if (text === null) return { kind: "unreadable", reason: "cannot be read (EACCES)" };
  const bytes = Uint8Array.from(text, (one) => one.charCodeAt(0));
  const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const reason = wrongContent(path, bytes.length, read);
  return reason === null ? null : { kind: "content", reason };
}

Deno.test("a model with a file that cache verify marked bad is damaged", () => {
  const judged = judgeModel(
    contents("config.json model.safetensors", {
      foundBad: new Map([["model.safetensors", "its sha256 is x"]]),
    }),
  );
  assertEquals([judged.state, "remedy" in judged && judged.remedy], ["damaged", "repair"]);
});

Deno.test("a weight file's format is recognised by its name", () => {
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
    head: () => null,
    text: () => "{}",
    ...more,
  };
}

/** `name:0` is empty, `name?` is a dangling link; every other file has one byte. */
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

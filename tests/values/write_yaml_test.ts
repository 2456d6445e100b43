import { assertEquals } from "@std/assert";
import { type ConfigValue, numberLiteral } from "../../src/values/value.ts";
import { readYaml } from "../../src/values/read_yaml.ts";
import { writeYaml } from "../../src/values/write_yaml.ts";
import { Random } from "./random.ts";

const ODD_TEXTS = [
  ...[
    "",
    " ",
    "yes",
    "No",
    "on",
    "~",
    "null",
    "1",
    "1.0",
    "1e3",
    "0x1f",
    "010",
    "1:30",
    ".5",
    ".inf",
    "2001-01-01",
  ],
  ...[
    "a: b",
    "a:",
    ":a",
    "# a",
    "a #b",
    "- a",
    "-",
    "---",
    "...",
    "[a]",
    "{a}",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
  ],
  ...[
    "a\nb",
    "a\tb",
    " a",
    "a ",
    "'",
    '"',
    "\\",
    "é",
    "日本",
    "\u0085",
    "\u2028",
    "\u007f",
    "\ufeff",
    "=",
    "<<",
    "?",
    "a,b",
  ],
  ...[
    "😀",
    "fp16",
    "Llama-3.1-8B",
    "--flag=x",
    "/models/a b",
    '{"rope_type": "llama3"}',
    "`",
    "a`b",
    "1_000",
  ],
];
const ODD_NUMBERS: readonly [number, string][] = [
  ...[[1, "1"], [2, "2.0"], [0.9, ".9"], [-3, "-3"], [1e20, "1.0e+20"], [1e16, "1e+16"]] as [
    number,
    string,
  ][],
  ...[[Infinity, "inf"], [-Infinity, "-inf"], [0, "0.0"], [-0, "-0.0"], [
    123456789012345,
    "123456789012345",
  ]] as [number, string][],
];

Deno.test("written YAML is read back as the same values, with the same spelling of numbers", async () => {
  const random = new Random(5);
  for (let round = 0; round < 300; round++) {
    const map = randomMap(random, 3);
    if (map.size === 0) continue;
    const text = writeYaml(map);
    const { value, faults } = await readYaml(text);
    assertEquals(faults, [], text);
    assertEquals(plain(value), plain(map), text);
  }
});

Deno.test("unambiguous text is written without quotes", () => {
  const map = new Map<string, ConfigValue>([
    ["model_id", "meta-llama/Llama-3.1-8B-Instruct"],
    ["precision", "fp16"],
    ["empty", null],
    ["answer", "yes"],
    ["list", ["a", numberLiteral(2, "2.0")]],
    ["none", new Map()],
  ]);
  assertEquals(
    writeYaml(map),
    'model_id: meta-llama/Llama-3.1-8B-Instruct\nprecision: fp16\nempty: null\nanswer: "yes"\nlist:\n  - a\n  - 2.0\nnone: {}\n',
  );
});

function randomMap(random: Random, depth: number): Map<string, ConfigValue> {
  const map = new Map<string, ConfigValue>();
  for (let i = random.below(5) + 1; i > 0; i--) map.set(random.pick(ODD_TEXTS), randomValue(random, depth));
  return map;
}

function randomValue(random: Random, depth: number): ConfigValue {
  switch (random.below(depth === 0 ? 4 : 6)) {
    case 0:
      return null;
    case 1:
      return random.below(2) === 0;
    case 2:
      return random.pick(ODD_TEXTS);
    case 3:
      return numberLiteral(...random.pick(ODD_NUMBERS));
    case 4:
      return Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
    default:
      return randomMap(random, depth - 1);
  }
}

/** Maps as pairs, because `assertEquals` ignores the order of maps. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return { pairs: [...value].map(([key, item]) => [key, plain(item)]) };
  return Array.isArray(value) ? value.map(plain) : value;
}

Deno.test("an empty mapping is written as {} and an empty list as []", () => {
  assertEquals([writeYaml(new Map()), writeYaml([])], ["{}\n", "[]\n"]);
});

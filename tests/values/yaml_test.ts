import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pythonFloat } from "../../src/values/python_spelling.ts";
import { type ConfigValue, isList, isMap, isNumberLiteral } from "../../src/values/value.ts";
import { readYaml } from "../../src/values/read_yaml.ts";
import { readPlainYaml } from "../../src/values/read_plain_yaml.ts";
import { Random } from "./random.ts";
import { mutated, SEEDS } from "./mutate.ts";

/** A value as text: numbers as spelled, text in quotes. */
function show(value: ConfigValue): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (isNumberLiteral(value)) return value.text;
  if (isList(value)) return `[${value.map(show).join(", ")}]`;
  return isMap(value) ? `{${[...value].map(([key, item]) => `${key}: ${show(item)}`).join(", ")}}` : "?";
}

// Checked with yaml.safe_load of PyYAML 6.0.3.
const SCALARS: [string, string][] = [
  ...["yes", "Yes", "YES", "true", "True", "on", "ON"].map((text) => [text, "true"] as [string, string]),
  ...["no", "No", "FALSE", "off", "Off"].map((text) => [text, "false"] as [string, string]),
  ...[
    "y",
    "N",
    "oFF",
    "tRUE",
    "nULL",
    "1e3",
    "1.0e3",
    "0o10",
    "08",
    "1.2.3",
    "1,000",
    "1-2",
    "_1",
    "0b",
    "0x",
  ]
    .map((text) => [text, JSON.stringify(text)] as [string, string]),
  ...["~", "null", "Null", "NULL", ""].map((text) => [text, "null"] as [string, string]),
  ...["0", "1", "12345678901234567890", "2.0", "0.10", "1.0e+3", ".5", "5.", "+.5e-1", "-1.5", "09.5"]
    .map((text) => [text, text === "+.5e-1" ? JSON.stringify(text) : text] as [string, string]),
  ["-0", "0"],
  ["+1", "1"],
  ["010", "8"],
  ["00", "0"],
  ["0x1F", "31"],
  ["-0x10", "-16"],
  ["0xFFFFFFFFFFFFFFFFF", "295147905179352825855"],
  ["0b11", "3"],
  ["1_000", "1000"],
  ["1:30", "90"],
  ["190:20:30", "685230"],
  ["1:30.5", "90.5"],
  ["1_0.5", "10.5"],
  [".inf", "inf"],
  ["-.INF", "-inf"],
  [".NaN", "nan"],
  ["2001-01-01", '"2001-01-01"'],
  ["b#c", '"b#c"'],
  ["b #c", '"b"'],
  ["it's", `"it's"`],
  ["'it''s'", `"it's"`],
  ['"x\\ty"', '"x\\ty"'],
  ['"\\u00e9\\x41"', '"éA"'],
  ["!!str 1", '"1"'],
  ['!!int "3"', "3"],
  ["!!float 3", "3.0"],
  ['!!float "1e3"', "1000.0"],
  ['! "12"', '"12"'],
  ["[1, yes, [x]]", '[1, true, ["x"]]'],
  ["{b: 1, c: }", "{b: 1, c: null}"],
];

Deno.test("scalars have the same values as in PyYAML, and numbers keep their spelling", async () => {
  for (const [text, expected] of SCALARS) {
    const { value, faults } = await readYaml(`a: ${text}\n`);
    assertEquals(faults, [], text);
    assertEquals(show(value ?? null), `{a: ${expected}}`, text);
  }
});

const DOCUMENTS: [string, string, string][] = [
  [
    "a mapping's own keys override merged ones",
    "b: &x {p: 1, q: 2}\na:\n  q: 3\n  <<: *x\n",
    "{b: {p: 1, q: 2}, a: {q: 3, p: 1}}",
  ],
  ["the first of several merges has precedence", "a:\n  <<: [{p: 1}, {p: 2, q: 3}]\n", "{a: {p: 1, q: 3}}"],
  ["a quoted merge key is a key", 'a: {"<<": 1}\n', "{a: {<<: 1}}"],
  ["the last of two equal keys is used, at the position of the first", "a: 1\nb: 2\na: 3\n", "{a: 3, b: 2}"],
  ["aliases stand for their anchors", "a: &x [1]\nb: *x\n", "{a: [1], b: [1]}"],
  ["numbers as keys keep their spelling", "1: a\n2.50: b\n", '{1: "a", 2.50: "b"}'],
  ["block text", "a: |\n  x\n  y\nb: >-\n  x\n  y\n", '{a: "x\\ny\\n", b: "x y"}'],
  ["a byte order mark", "\ufeffa: 1\n", "{a: 1}"],
  ["Windows and old Mac line breaks", "a: 1\r\nb: 2\rc: 3", "{a: 1, b: 2, c: 3}"],
  ["a tab inside quotes, block text and comments", "a: '\t' # \t\nb: |\n  \tx\n", '{a: "\\t", b: "\\tx\\n"}'],
  ["a closing bracket no deeper than its key", "a:\n  b: [\n    1\n  ]\n", "{a: {b: [1]}}"],
  ["a document start and end", "%YAML 1.1\n---\na: 1\n...\n", "{a: 1}"],
];

for (const [what, text, expected] of DOCUMENTS) {
  Deno.test(`as PyYAML reads it: ${what}`, async () => {
    const { value, faults } = await readYaml(text);
    assertEquals(faults, []);
    assertEquals(show(value ?? null), expected);
  });
}

/** No line is too deep for the library, but resolving all aliases would overflow the stack. */
function deepByAliases(): string {
  const links = Array.from(
    { length: 6 },
    (_, i) => `k${i}: &a${i}\n  ${"- ".repeat(500)}${i === 0 ? 1 : `*a${i - 1}`}`,
  );
  return `${links.join("\n")}\n`;
}

const FAULTS: [string, string, number, number, string][] = [
  ["an empty file", "", 1, 1, "empty"],
  ["comments alone", "# nothing\n", 1, 1, "empty"],
  ["a list", "- a\n", 1, 1, "a list"],
  ["a single value", "abc\n", 1, 1, "a single value"],
  ["a second document", "a: 1\n---\nb: 2\n", 2, 1, "second document"],
  ["a tab for indentation", "a:\n\tb: 1\n", 2, 1, "Tabs"],
  ["an alias without anchor", "a: *x\n", 0, 0, "alias"],
  ["an alias before its anchor", "a: *x\nb: &x 1\n", 0, 0, "alias"],
  ["an alias inside its own anchor", "a: &x\n  b: *x\n", 2, 6, "inside its own anchor"],
  ["a list nested too deep", `a: 1\nb:\n  ${"- ".repeat(64)}x\n`, 3, 131, "deep"],
  ["aliases that nest too deep", deepByAliases(), 0, 0, "deep"],
  ["an unknown tag", "a: !!python/object:os.system x\n", 1, 0, "python/object"],
  ["a boolean as key", "a: 1\nno: 2\n", 2, 1, "key no"],
  ["a null as key", "~: 2\n", 1, 1, "key ~"],
  ["a list as key", "[a]: 2\n", 1, 1, "key"],
  ["a timestamp", "a: 2001-12-14 21:59:43\n", 1, 4, "2001-12-14"],
  ["= as a value", "a: =\n", 1, 4, "="],
  ["a merge of a number", "a:\n  <<: 3\n", 2, 3, "merge"],
  ["an open quote", "a: 'x\n", 0, 0, "quote"],
  ["an open quote that ends in a quote", "a: 'x''\nb: '1'\n", 1, 4, "quote"],
  ["an open bracket", "a: [1,\n", 0, 0, ""],
  ["a control character", "a: 1\nb: x\u0007\n", 2, 5, "U+0007"],
  ["a line separator", "a: x\u2028\n", 1, 5, "U+2028"],
  ["an extra colon", "a: b: c\n", 1, 0, ""],
  ["bad indentation", "a:\n   b: 1\n  c: 2\n", 3, 0, ""],
];

for (const [what, text, line, column, reason] of FAULTS) {
  Deno.test(`refused with line and column: ${what}`, async () => {
    const { value, faults } = await readYaml(text);
    assertEquals(value, null);
    const [fault] = faults;
    assert(fault !== undefined);
    if (line > 0) assertEquals(fault.line, line);
    if (column > 0) assertEquals(fault.column, column);
    assertStringIncludes(fault.reason, reason);
    assert(!fault.reason.includes("\n"));
  });
}

Deno.test("a duplicate key is reported with line and column", async () => {
  const { notes } = await readYaml("a: 1\nb:\n  c: 1\n  c: 2\n");
  assertEquals(notes.map(({ line, column }) => [line, column]), [[4, 3]]);
});

const BOMBS: [string, string][] = [
  [
    "aliases of aliases",
    [
      "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
      ...Array.from(
        { length: 30 },
        (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(", ")}]`,
      ),
    ].join("\n"),
  ],
  [
    "merges of merges",
    [
      "a0: &a0 {x: 1, y: 2}",
      ...Array.from(
        { length: 30 },
        (_, i) => `a${i + 1}: &a${i + 1} {<<: [${Array(10).fill(`*a${i}`).join(", ")}], k${i}: 1}`,
      ),
    ].join("\n"),
  ],
  ["brackets", `a: ${"[".repeat(100_000)}`],
  ["closed brackets", `a: ${"[".repeat(5_000)}${"]".repeat(5_000)}`],
  ["braces", `a: ${"{a: ".repeat(20_000)}`],
  ["dashes", `a:\n  ${"- ".repeat(20_000)}x`],
  ["indentation", Array.from({ length: 600 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
  ["many keys", Array.from({ length: 30_000 }, (_, i) => `k${i}: 1`).join("\n")],
  ["question marks", "? ".repeat(20_000)],
  ["quotes", `a: ${"'".repeat(100_001)}`],
  ["anchors", `a: ${"&a ".repeat(20_000)}`],
  ["tags", `a: ${"!!str ".repeat(20_000)}`],
  ["documents", "---\n".repeat(20_000)],
];

for (const [what, text] of BOMBS) {
  Deno.test(`a bomb of ${what} neither hangs nor crashes`, async () => {
    const { value, faults } = await readYaml(text);
    assertEquals(value === null, faults.length > 0);
  });
}

Deno.test("the quick reader and the full reader get the same values", async () => {
  const random = new Random(7);
  let read = 0;
  for (let round = 0; round < 3000; round++) {
    const text = mutated(SEEDS[0] ?? "", random);
    const quick = readPlainYaml(text);
    if (quick === null) continue;
    read++;
    const { value, faults } = await readYaml(text);
    assertEquals(faults, [], text);
    assertEquals(show(quick), show(value ?? null), text);
  }
  assert(read > 300, `the quick reader read only ${read} texts`);
});

Deno.test("the quick reader leaves all but simple texts to the full one", () => {
  const left = [
    ...[
      "a: b c",
      "a: [1]",
      "a: {}",
      "a: &x 1",
      "a: *x",
      "a: !t x",
      "a: |",
      "a: 'it''s'",
      'a: "\\n"',
      "a: -",
      "a: ...",
    ],
    ...[
      "a:\tb",
      "- a",
      "yes: 1",
      "1: 2",
      "<<: 1",
      "a: 1\na: 2",
      "a: b: c",
      "a: b:",
      "---\na: 1",
      "a:\n    b: 1\n  c: 2",
    ],
    ...[
      "a: 1\r\n",
      "a:b",
      "? a",
      "a: @x",
      "a: =",
      "",
      "# only",
      "a: 1\n  b: 2",
      "  a: 1\nb: 2",
      "a: x\u0085",
    ],
  ];
  for (const text of left) assertEquals(readPlainYaml(text), null, text);
});

Deno.test("floats are written as in Python", () => {
  const cases: [number, string][] = [
    ...[[0, "0.0"], [-0, "-0.0"], [1, "1.0"], [1e15, "1000000000000000.0"], [1e16, "1e+16"], [
      1.5e22,
      "1.5e+22",
    ]],
    ...[[0.0001, "0.0001"], [0.00001, "1e-05"], [1.25e-7, "1.25e-07"], [5e-324, "5e-324"], [0.1, "0.1"]],
    ...[[9999999999999998, "9999999999999998.0"], [123456.789, "123456.789"], [-2.5, "-2.5"]],
    ...[[Infinity, "inf"], [-Infinity, "-inf"], [NaN, "nan"], [0.00012345, "0.00012345"]],
  ] as [number, string][];
  for (const [value, text] of cases) assertEquals(pythonFloat(value), text);
});

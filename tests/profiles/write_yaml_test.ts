import { assert, assertEquals } from "@std/assert";
import { numberLiteral } from "../../src/profiles/number_literal.ts";
import { readPack, writePack } from "../../src/profiles/pack.ts";
import { readProfile } from "../../src/profiles/read_profile.ts";
import type { ConfigValue, Profile } from "../../src/profiles/types.ts";
import { readFullYaml } from "../../src/profiles/yaml/full_yaml.ts";
import { writeYaml } from "../../src/profiles/yaml/write_yaml.ts";
import { makeProfile } from "./make_profile.ts";
import { Random } from "./random.ts";

const PROFILES = new URL("../../profiles/", import.meta.url);

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

Deno.test("YAML that is written is read back as the same values, spelling of numbers included", async () => {
  const random = new Random(5);
  for (let round = 0; round < 300; round++) {
    const map = randomMap(random, 3);
    if (map.size === 0) continue;
    const text = writeYaml(map);
    const { value, faults } = await readFullYaml(text);
    assertEquals(faults, [], text);
    assertEquals(plain(value), plain(map), text);
  }
});

Deno.test("what is never taken for anything else is written without quotes", () => {
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

Deno.test("a pack holds every profile of the catalogue as its file does", async () => {
  let count = 0;
  for (const folder of foldersBelow(PROFILES)) {
    const files = new Map<string, Profile>();
    for (const { name } of [...Deno.readDirSync(folder)].filter((entry) => entry.name.endsWith(".yaml"))) {
      const place = { ...placeOf(name), kind: "either" } as const;
      const { profile } = await readProfile(Deno.readFileSync(new URL(name, folder)), place);
      assert(profile !== null, name);
      files.set(name, profile);
    }
    count += files.size;
    assertSamePack(files);
  }
  assert(count > 500);
});

Deno.test("a pack keeps odd values", () => {
  const random = new Random(6);
  for (let round = 0; round < 100; round++) {
    const envVars = new Map([["A", random.pick(ODD_TEXTS)], ["1", random.pick(ODD_TEXTS)]]);
    assertSamePack(new Map([["a.yaml", makeProfile({ engineArgs: randomMap(random, 3), envVars })]]));
  }
});

function placeOf(name: string): Pick<Profile, "id" | "path" | "origin" | "priority"> {
  return { id: name, path: `embedded:${name}`, origin: "embedded", priority: 2 };
}

function assertSamePack(files: ReadonlyMap<string, Profile>): void {
  const wanted = [...files].map(([name, profile]) => ({ ...profile, ...placeOf(name) }));
  assertEquals(readPack(writePack(files), placeOf).map(plainProfile), wanted.map(plainProfile));
}

function plainProfile(profile: Profile): unknown {
  return { ...profile, engineArgs: plain(profile.engineArgs), envVars: plain(profile.envVars) };
}

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

/** Maps as pairs: `assertEquals` takes maps of another order for the same. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return { pairs: [...value].map(([key, item]) => [key, plain(item)]) };
  return Array.isArray(value) ? value.map(plain) : value;
}

function* foldersBelow(folder: URL): Generator<URL> {
  for (const entry of Deno.readDirSync(folder)) {
    if (!entry.isDirectory || entry.name === "schemas") continue;
    const below = new URL(`${entry.name}/`, folder);
    yield below;
    yield* foldersBelow(below);
  }
}

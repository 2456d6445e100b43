import { assert, assertEquals } from "@std/assert";
import { readYaml } from "../../src/values/read_yaml.ts";
import { type ConfigValue, isList, isMap, isNumberLiteral } from "../../src/values/value.ts";
import { writeYaml } from "../../src/values/write_yaml.ts";
import { pythonEnv } from "../interop/python_env.ts";
import { mutated, SEEDS } from "./mutate.ts";
import { Random } from "./random.ts";

// AMD's runtime reads profiles with PyYAML's safe_load: from a text that both accept, aim must get the same
// values.
const env = await pythonEnv("yaml", ["PyYAML==6.0.3"]);
const skip = typeof env === "string" ? "" : ` (skipped: ${env.skip})`;

/** Both sides are compared with mappings as pairs and numbers as Python prints floats. */
const PYTHON = `
import json, sys, yaml
def plain(value):
    if isinstance(value, dict): return {"map": [[str(key), plain(item)] for key, item in value.items()]}
    if isinstance(value, list): return [plain(item) for item in value]
    if isinstance(value, bool) or value is None: return value
    if isinstance(value, (int, float)): return {"number": repr(float(value))}
    return str(value)
def read(text):
    try: value = yaml.safe_load(text)
    except Exception: return None
    return plain(value) if isinstance(value, dict) else None
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
`;

async function byPyYaml(texts: readonly string[]): Promise<readonly unknown[]> {
  const child = new Deno.Command(`${typeof env === "string" ? env : ""}/bin/python3`, {
    args: ["-c", PYTHON],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(texts)));
  await writer.close();
  return JSON.parse(new TextDecoder().decode((await child.output()).stdout));
}

function plain(value: ConfigValue): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map(plain);
  if (isMap(value)) return { map: [...value].map(([key, item]) => [key, plain(item)]) };
  return isNumberLiteral(value) ? { number: pythonRepr(value.value) } : null;
}

function pythonRepr(value: number): string {
  const text = String(value).replace("Infinity", "inf").replace("NaN", "nan");
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

Deno.test({
  name: `PyYAML and aim get the same values from those of 1,500 damaged profiles that both accept${skip}`,
  ignore: skip !== "",
  fn: async () => {
    const random = new Random(11);
    const texts = Array.from({ length: 1500 }, (_, at) => mutated(SEEDS[at % SEEDS.length] ?? "", random));
    let [both, refused] = [0, 0];
    for (const [at, theirs] of (await byPyYaml(texts)).entries()) {
      const text = texts[at] ?? "";
      const { value } = await readYaml(text);
      if (theirs === null) continue;
      if (value === null) refused++;
      else {
        both++;
        assertEquals(plain(value), theirs, text);
      }
    }
    // Only PyYAML accepts quoted text with unindented continuation lines, and line separators.
    assert(both > 400 && refused < both / 30, `${both} by both, ${refused} by PyYAML only`);
  },
});

Deno.test({
  name: `PyYAML reads the same values from YAML that aim writes${skip}`,
  ignore: skip !== "",
  fn: async () => {
    const words = [
      "",
      "yes",
      "1",
      "1.0",
      "1e3",
      "010",
      "1:30",
      ".5",
      "2001-01-01",
      "a: b",
      "- a",
      "é",
      "a\nb",
      "=",
      "<<",
    ];
    const texts = words.map((word) => writeYaml(new Map<string, ConfigValue>([[word, [word, null, true]]])));
    const read = await byPyYaml(texts);
    for (const [at, word] of words.entries()) {
      assertEquals(read[at], { map: [[word, [word, null, true]]] }, texts[at]);
    }
  },
});

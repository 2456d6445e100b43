import { assert, assertEquals } from "@std/assert";
import { KNOWN_VARIABLES, unknownVariables } from "../../src/config/variables.ts";

const SRC = new URL("../../src/", import.meta.url);

/** Names that look like variables: a protocol, and an internal mark of the packaging. */
const NOT_READ = new Set(["HF_TRANSFER", "_AIM_LAUNCHED"]);

const PREFIXES =
  "AIM|HF|AWS|S3|ROCR|HUGGINGFACE|HUGGING|TRANSFORMERS|KUBERNETES|ARTIFACT|HTTPS?|SSL|NODE|REQUESTS|CURL";
const NAME = "([A-Z_][A-Z0-9_]*)";
const READS = new RegExp(
  String.raw`\benv\??\.${NAME}\b|\benv\["${NAME}"\]|env\.get\("${NAME}"\)|"((?:${PREFIXES})_[A-Z0-9_]+)"`,
  "g",
);

function* sourceFiles(folder: URL): Generator<URL> {
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.isDirectory) yield* sourceFiles(new URL(`${entry.name}/`, folder));
    else if (/(?<!generated|\.d)\.ts$/.test(entry.name)) yield new URL(entry.name, folder);
  }
}

Deno.test("every variable that the source reads is documented in aim help environment", async () => {
  const patterns = [...KNOWN_VARIABLES].filter((name) => name.includes("*"))
    .map((name) => new RegExp(`^${name.replace("*", "\\w+")}$`));
  const unknown = new Set<string>();
  let found = 0;
  for (const file of sourceFiles(SRC)) {
    for (const [, ...names] of (await Deno.readTextFile(file)).matchAll(READS)) {
      const name = names.find((one) => one !== undefined) ?? "";
      found++;
      if (KNOWN_VARIABLES.has(name) || NOT_READ.has(name) || patterns.some((one) => one.test(name))) continue;
      unknown.add(`${name} in ${file.pathname.slice(SRC.pathname.length)}`);
    }
  }
  assertEquals([...unknown], []);
  assert(found > 50, "the pattern finds too few variables");
});

Deno.test("a misspelt AIM_ variable is reported with the nearest name, other variables are not", () => {
  const warned = (...names: string[]) =>
    unknownVariables(Object.fromEntries(names.map((name) => [name, "x"]))).map((line) => line.split(" ")[0]);
  const slips = ["AIM_CACHE_DIR", "AIM_PRECISON", "AIM_MODELID", "AIM_GPUS_COUNT"];
  assertEquals(warned(...slips), slips);
  assert(unknownVariables({ AIM_CACHE_DIR: "/x" })[0]?.includes("AIM_CACHE_PATH"));
  assertEquals(
    warned("AIM_CACHE_PATH", "AIM_PORT", "AIM_HF_INCLUDE", "AIM_UNRELATED_THING", "PATH", "AIM"),
    [],
  );
  // Kubernetes' variables for services named aim and aim-model.
  assertEquals(
    warned("AIM_SERVICE_HOST", "AIM_PORT_8000_TCP_ADDR", "AIM_MODEL_PORT", "AIM_MODEL_SERVICE_PORT_HTTP"),
    [],
  );
});

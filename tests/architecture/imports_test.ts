import { assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join, relative, resolve } from "@std/path";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const SRC = join(ROOT, "src");

/** The folders that each folder of `src/` may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  log: ["errors"],
  values: ["libraries"],
  config: ["gpu", "values", "os", "errors", "log"],
  os: ["errors", "log"],
  libraries: [],
  gpu: ["values", "os", "log", "errors"],
  profiles: ["values", "gpu", "os", "config", "log", "errors"],
  sources: ["libraries", "values", "os", "config", "log", "errors"],
  transfer: ["sources", "values", "os", "config", "log", "errors"],
  archive: ["transfer", "sources", "os", "log", "errors"],
  cache: ["transfer", "sources", "values", "os", "config", "log", "errors"],
  engine: ["gpu", "values", "os", "config", "log", "errors"],
  fit: ["cache", "values"],
  signing: ["values", "os", "errors"],
  export: ["cache", "transfer", "sources", "os", "config", "log", "errors"],
  adapters: ["values", "os", "config", "log", "errors"],
  download: [
    "signing",
    "archive",
    "cache",
    "transfer",
    "sources",
    "gpu",
    "profiles",
    "values",
    "os",
    "config",
    "log",
    "errors",
  ],
  serve: [
    "fit",
    "adapters",
    "download",
    "engine",
    "cache",
    "transfer",
    "sources",
    "gpu",
    "profiles",
    "values",
    "os",
    "config",
    "log",
    "errors",
  ],
  cli: [
    ...[
      "serve",
      "signing",
      "fit",
      "export",
      "archive",
      "adapters",
      "download",
      "engine",
      "cache",
      "transfer",
      "sources",
      "gpu",
      "profiles",
      "values",
    ],
    ...["os", "config", "log", "errors"],
  ],
  types: [],
};

Deno.test("every folder of src is in the table of imports", () => {
  const folders = [...Deno.readDirSync(SRC)].filter((e) => e.isDirectory).map((e) => e.name).sort();
  assertEquals(folders.filter((name) => !(name in MAY_IMPORT)), []);
});

Deno.test("no folder imports its caller", () => {
  const wrong: string[] = [];
  for (const file of sourceFiles(SRC)) {
    const from = folderOf(file);
    for (const target of importsOf(file)) {
      const to = folderOf(target);
      if (to !== from && !MAY_IMPORT[from]?.includes(to)) {
        wrong.push(`${relative(ROOT, file)} imports ${relative(ROOT, target)}`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("only src/libraries loads npm libraries while the program runs", () => {
  const lazy = [...sourceFiles(SRC)].filter((file) => /import\(\s*"(?!\.|node:)/.test(withoutTypes(file)))
    .map((file) => relative(ROOT, file));
  assertEquals(lazy, []);
});

Deno.test("no file imports a Node module at startup", () => {
  const early = [...sourceFiles(SRC)].filter((file) =>
    /^import\s+(?!type\b)[^;"]*"node:/m.test(Deno.readTextFileSync(file))
  ).map((file) => relative(ROOT, file));
  assertEquals(early, []);
});

Deno.test("there are no import cycles", () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].map((one) => relative(SRC, one)).join(" → "));
    } else if (!done.has(file)) {
      for (const target of importsOf(file)) walk(target, [...path, file]);
      done.add(file);
    }
  };
  for (const file of sourceFiles(SRC)) walk(file, []);
  assertEquals(circles, []);
});

Deno.test("no folder has a mod.ts", () => {
  assertEquals([...sourceFiles(SRC)].filter((file) => file.endsWith("/mod.ts")), []);
});

Deno.test("no comment is wider than the formatter's width", () => {
  const width: number = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).fmt.lineWidth;
  const files = ["src", "tests", "container"].flatMap((name) => [...sourceFiles(join(ROOT, name))]);
  const wide = files.flatMap((file) =>
    Deno.readTextFileSync(file).split("\n")
      .filter((line) => line.length > width && /^ *(\/\/|\/\*|\*)/.test(line))
      .map((line) => `${relative(ROOT, file)}: ${line}`)
  );
  assertEquals(wide, []);
});

Deno.test("the top level has only the listed files", () => {
  const allowed = new Set([
    "src",
    "main.ts",
    "deno.json",
    "deno.lock",
    "profiles",
    "container",
    "tests",
    "README.md",
    "LICENSE",
  ]);
  const made = new Set(["dist", "node_modules"]);
  const odd = [...Deno.readDirSync(ROOT)].map((e) => e.name)
    .filter((name) => !name.startsWith(".") && !allowed.has(name) && !made.has(name));
  assertEquals(odd, []);
});

function folderOf(path: string): string {
  return relative(SRC, path).split("/")[0] ?? "";
}

/** A file's text without `typeof import("…")`, which loads nothing. */
function withoutTypes(file: string): string {
  return Deno.readTextFileSync(file).replaceAll(/typeof import\(/g, "");
}

function importsOf(file: string): string[] {
  const text = Deno.readTextFileSync(file);
  const specifiers = [...text.matchAll(/(?:from\s+|import\(\s*|new URL\(\s*)"(\.[^"]+\.ts)"/g)].map((m) =>
    m[1] ?? ""
  );
  return specifiers.map((s) => resolve(dirname(file), s)).filter((path) => path.startsWith(SRC + "/"));
}

function* sourceFiles(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) yield* sourceFiles(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

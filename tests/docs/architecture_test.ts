import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";

const ROOT = new URL("../../", import.meta.url).pathname;
const DOCUMENT = Deno.readTextFileSync(`${ROOT}.github/ARCHITECTURE.md`);

/** Each walk's name, maximum number of files, and files. */
const WALKS = [...DOCUMENT.matchAll(/<!-- walk: (\w+), at most (\d+) -->\n([\s\S]*?)(?=\n## |$)/g)]
  .map(([, name = "", most, text = ""]) => ({
    name,
    most: Number(most),
    files: [...text.matchAll(/^\| `([^`]+\.ts)`/gm)].map(([, file = ""]) => file),
  }));

Deno.test("ARCHITECTURE.md has the three walks, each within its maximum length", () => {
  assertEquals(WALKS.map(({ name, most }) => [name, most]), [["name", 15], ["byte", 15], ["profile", 8]]);
  for (const { name, most, files } of WALKS) {
    assert(files.length >= 3 && files.length <= most, `${name}: ${files.length} files, at most ${most}`);
    assertEquals(files.length, new Set(files).size, name);
  }
});

Deno.test("every file of a walk is imported or started as a thread by a file above it", () => {
  const odd = WALKS.flatMap(({ files }) =>
    files.filter((file, at) => at > 0 && !files.slice(0, at).some((above) => namesIn(above).includes(file)))
  );
  assertEquals(odd, []);
});

Deno.test("every folder of src is in the diagram", () => {
  const picture = /```text\n([\s\S]*?)```/.exec(DOCUMENT)?.[1] ?? "";
  const folders = [...Deno.readDirSync(`${ROOT}src`)].map(({ name }) => name).filter((name) =>
    name !== "types"
  );
  assertEquals(folders.filter((name) => !new RegExp(`\\b${name}\\b`).test(picture)), []);
});

Deno.test("the names in the glossary exist in the code", () => {
  const table = DOCUMENT.slice(DOCUMENT.indexOf("## Words"), DOCUMENT.indexOf("## The picture"));
  const names = [...table.matchAll(/^\| \*\*[^|]+\| ([^|]+)\|/gm)]
    .flatMap(([, column = ""]) => [...column.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
  assert(names.length >= 10);
  const source = [...sources("src")].map((file) => Deno.readTextFileSync(join(ROOT, file))).join("\n");
  assertEquals(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(source)), []);
});

function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, folder))) {
    if (isDirectory) yield* sources(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

/** The files that a module names in imports and `new URL`. */
function namesIn(file: string): string[] {
  const text = Deno.readTextFileSync(join(ROOT, file));
  return [...text.matchAll(/"(\.{1,2}\/[^"]+\.ts)"/g)].map(([, name = ""]) => join(dirname(file), name));
}

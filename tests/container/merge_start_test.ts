import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { mergeStart } from "../../container/packaging/merge_start.ts";
import { runDeno } from "../../container/packaging/run_deno.ts";

/** As the bundler writes: chunks of what the same entries share, lazy imports out of its sight. */
const BUNDLE = {
  "main.js":
    'import{a as n}from"./chunk-AA.js";import{a as up}from"./chunk-BB.js";import.meta.main&&(up(),console.log(n,(await import(["./serve-CC.js"][0])).serve(),(await import(["./cold-DD.js"][0])).cold()));',
  "chunk-AA.js": 'var e="start";export{e as a};\n',
  "chunk-BB.js": 'import"./chunk-EE.js";var t=0;function r(){return++t}export{r as a,t as b};\n',
  "chunk-EE.js": "",
  "serve-CC.js":
    'import{a as e,b as t}from"./chunk-BB.js";function s(){return[e(),t].join("/")}export{s as serve};\n',
  "cold-DD.js":
    'import{a as e,b as t}from"./chunk-BB.js";import{f}from"./chunk-FF.js";function c(){return[e(),t,f].join("/")}export{c as cold};\n',
  "chunk-FF.js": 'var f="cold";export{f};\n',
};

Deno.test("what starting takes is one module, and what others share with it stays one", async () => {
  await withTempDir(async (folder) => {
    write(folder, BUNDLE);
    const run = () => runDeno(["run", "--no-config", "--allow-read", "main.js"], { cwd: folder });
    const before = await run();
    await mergeStart(folder, ["serve"]);
    assertEquals(before, { code: 0, text: "start 2/2 3/3/cold" });
    assertEquals(await run(), before);
    const imports = importsOf(folder, "main.js");
    assertEquals([...new Set(imports)], ["./start.js"]);
    assertEquals(importsOf(folder, "start.js"), []);
    assertEquals(importsOf(folder, "serve-CC.js"), ["./start.js"]);
    assertEquals(Deno.readTextFileSync(join(folder, "chunk-FF.js")), BUNDLE["chunk-FF.js"]);
  });
});

Deno.test("a bundle in another form is refused, not broken", async () => {
  const cases = [
    [BUNDLE, "doctor", "the bundler made no doctor-….js"],
    [
      { ...BUNDLE, "chunk-AA.js": 'export var a="start";\n' },
      "serve",
      "chunk-AA.js exports in a way that is not known",
    ],
  ] as const;
  for (const [files, name, message] of cases) {
    await withTempDir(async (folder) => {
      write(folder, files);
      await assertRejects(() => mergeStart(folder, [name]), Error, message);
    });
  }
});

async function withTempDir(use: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await use(path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(join(folder, name), text);
}

function importsOf(folder: string, name: string): string[] {
  const text = Deno.readTextFileSync(join(folder, name));
  return [...text.matchAll(/\b(?:from|import) ?"([^"]+)"/g)].map(([, from]) => from ?? "");
}

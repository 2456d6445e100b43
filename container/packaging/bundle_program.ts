import { basename, join } from "@std/path";
import type { BuildInfo } from "../../src/cli/build_info.ts";
import { PACK } from "../../src/profiles/load_profiles.ts";
import { compileAhead } from "./compile_ahead.ts";
import { mergeStart } from "./merge_start.ts";
import { runDeno } from "./run_deno.ts";

/**
 * Puts all that `aim` is into a folder: `main.js` with its chunks (what is imported lazily stays apart), `hash_worker.js`
 * and `publish_worker.js`, `profiles/` with their schemas, `build.json`. Nothing else is read when it runs.
 *
 * @param source Path of the source tree.
 * @param folder Path of an empty folder.
 * @throws {Error} where the bundler fails, or no longer writes what is worked around here.
 */
export async function bundleProgram(source: string, folder: string, build: BuildInfo): Promise<void> {
  await bundle(source, ["--outdir", folder, "--code-splitting", "main.ts"]);
  for (const worker of ["hash/hash_worker", "small/publish_worker"]) {
    await bundle(source, ["--output", join(folder, `${basename(worker)}.js`), `src/transfer/${worker}.ts`]);
  }
  deferRequire(folder);
  if (build.form === "self-extracting") {
    hideImports(folder);
    for (const name of await mergeStart(folder, ["serve", "dry_run"])) {
      const path = join(folder, name);
      Deno.writeTextFileSync(path, compileAhead(Deno.readTextFileSync(path)));
    }
  }
  packProfiles(join(source, "profiles"), join(folder, "profiles"));
  Deno.writeTextFileSync(join(folder, "build.json"), `${JSON.stringify(build)}\n`);
  // The nearest package.json says what .js files are: this one, whatever lies in the folders above.
  Deno.writeTextFileSync(join(folder, "package.json"), `{"type":"module"}\n`);
}

async function bundle(source: string, args: readonly string[]): Promise<void> {
  const ran = await runDeno(["bundle", "--quiet", "--frozen", "--minify", ...args], { cwd: source });
  if (ran.code !== 0) throw new Error(`deno bundle failed: ${ran.text}`);
}

const EAGER =
  /import ?\{ ?createRequire as (\w+) ?\} ?from ?"node:module";\s*var (\w+) ?= ?\1\(import\.meta\.url\);/;

/**
 * The bundler lets every chunk load `node:module` for the sake of `require`, which takes half of the start-up time. Only
 * libraries that are loaded when they are needed call it, so it can come then.
 */
function deferRequire(folder: string): void {
  let deferred = 0;
  for (const entry of Deno.readDirSync(folder)) {
    if (!entry.name.endsWith(".js")) continue;
    const path = join(folder, entry.name);
    const text = Deno.readTextFileSync(path);
    if (!text.includes("createRequire as __deno_internal_createRequire")) continue;
    const found = EAGER.exec(text);
    if (found === null) throw new Error(`${entry.name} loads node:module in a way that is not known`);
    const lazy = `var ${
      found[2]
    }=(name)=>process.getBuiltinModule("node:module").createRequire(import.meta.url)(name);`;
    Deno.writeTextFileSync(path, text.replace(found[0], () => lazy));
    deferred++;
  }
  if (deferred === 0) {
    throw new Error("the bundler no longer loads node:module: there is nothing left to defer");
  }
}

/**
 * Deno looks at every module that a literal `import("…")` names before it runs the first: a fifth of the start-up time. What it cannot
 * read ahead it loads when it is needed.
 */
function hideImports(folder: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".js")) continue;
    const path = join(folder, name);
    Deno.writeTextFileSync(
      path,
      Deno.readTextFileSync(path).replaceAll(/\bimport\(("\.\/[\w.-]+\.js")\)/g, "import([$1][0])"),
    );
  }
}

/** Copies the schemas, and packs the profiles of each folder into one file. */
function packProfiles(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  const texts: Record<string, string> = {};
  const entries = [...Deno.readDirSync(from)].sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory } of entries) {
    const path = join(from, name);
    if (isDirectory) packProfiles(path, join(to, name));
    else if (name.endsWith(".schema.json")) Deno.copyFileSync(path, join(to, name));
    else if (name.endsWith(".yaml")) texts[name] = Deno.readTextFileSync(path);
  }
  if (Object.keys(texts).length > 0) Deno.writeTextFileSync(join(to, PACK), JSON.stringify(texts));
}

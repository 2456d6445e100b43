import { join } from "@std/path";
import type { BuildInfo } from "../../src/cli/build_info.ts";
import { runDeno } from "./run_deno.ts";

/**
 * Puts all that `aim` is into a folder: `main.js` with its chunks (what is imported lazily stays apart), `hash_worker.js`,
 * `profiles/` with their schemas, `build.json`. Nothing else is read when it runs.
 *
 * @param source Path of the source tree.
 * @param folder Path of an empty folder.
 * @throws {Error} where the bundler fails, or no longer writes what is worked around here.
 */
export async function bundleProgram(source: string, folder: string, build: BuildInfo): Promise<void> {
  await bundle(source, ["--outdir", folder, "--code-splitting", "main.ts"]);
  await bundle(source, ["--output", join(folder, "hash_worker.js"), "src/transfer/hash_worker.ts"]);
  deferRequire(folder);
  copyProfiles(join(source, "profiles"), join(folder, "profiles"));
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

function copyProfiles(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const entry of [...Deno.readDirSync(from)]) {
    if (entry.isDirectory) copyProfiles(join(from, entry.name), join(to, entry.name));
    else if (/\.(ya?ml|json)$/.test(entry.name)) {
      Deno.copyFileSync(join(from, entry.name), join(to, entry.name));
    }
  }
}

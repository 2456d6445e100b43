import { join } from "@std/path";
import type { BuildInfo } from "../../src/cli/build_info.ts";
import { modulesApart } from "./modules_apart.ts";
import { packProfiles } from "./pack_profiles.ts";
import { runDeno } from "./run_deno.ts";

/**
 * Bundles the complete program into a folder: `main.js` and the chunks that it imports, one file for each
 * worker thread and npm library, `profiles/` with their schemas, `build.json`, and `self_test.json`, which
 * lists what `aim __self-test` expects. Every lazy import in the sources creates a chunk, and more for code
 * shared with others, so use few.
 *
 * @param source Path of the source tree.
 * @param folder Path of an empty folder.
 * @throws {Error} if the bundler fails.
 */
export async function bundleProgram(source: string, folder: string, build: BuildInfo): Promise<void> {
  const apart = modulesApart(source);
  await bundle(source, ["--code-splitting", "--outdir", folder, "main.ts"]);
  const exports: Record<string, string[]> = {};
  for (const { name } of Deno.readDirSync(folder)) exports[name] = [];
  for (const { path, name } of apart) await bundle(source, ["--output", join(folder, `${name}.js`), path]);
  for (const { path, name, kind } of apart) {
    if (kind === "library") exports[`${name}.js`] = Object.keys(await import(join(source, path))).sort();
  }
  await packProfiles(join(source, "profiles"), join(folder, "profiles"));
  Deno.writeTextFileSync(join(folder, "build.json"), `${JSON.stringify(build)}\n`);
  Deno.writeTextFileSync(join(folder, "self_test.json"), `${JSON.stringify({ exports })}\n`);
  // Deno and Node.js read the type of .js files from the nearest package.json.
  Deno.writeTextFileSync(join(folder, "package.json"), `{"type":"module"}\n`);
}

async function bundle(source: string, args: readonly string[]): Promise<void> {
  const ran = await runDeno(["bundle", "--quiet", "--frozen", "--minify", ...args], { cwd: source });
  if (ran.code !== 0) throw new Error(`deno bundle failed: ${ran.text}`);
}

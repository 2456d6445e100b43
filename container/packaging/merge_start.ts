import { join } from "@std/path";
import { runDeno } from "./run_deno.ts";

/** The module that holds what starting takes. */
const START = "start.js";
const MAIN = "main.js";

/**
 * Deno takes a third of a millisecond to load a module, and the bundler makes many small ones, each of what the same entries
 * share. All that `main.js` and the commands of `names` import at once goes into one module; those it was in pass its names on,
 * for the rest of the program.
 *
 * @param folder What the bundler has written, with imports that are lazy out of its sight.
 * @param names Entries by the beginnings of their names, as `dry_run` of `dry_run-GYBTOSDT.js`.
 * @returns The names of both modules.
 * @throws {Error} where the bundler writes in a way that is not known.
 */
export async function mergeStart(folder: string, names: readonly string[]): Promise<string[]> {
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".js"));
  const entries = names.map((name) => {
    const entry = files.find((file) => file.startsWith(`${name}-`));
    if (entry === undefined) throw new Error(`the bundler made no ${name}-….js`);
    return entry;
  });
  const merged = [...importedBy(folder, [MAIN, ...entries])].filter((name) => name !== MAIN).sort();
  const exported = merged.flatMap((name, at) =>
    exportsOf(folder, name).map((export_) => ({ name, export_, unique: `m${at}_${export_}` }))
  );
  const lines = merged.map((name) => {
    const own = exported.filter((one) => one.name === name);
    return `export{${own.map(({ export_, unique }) => `${export_} as ${unique}`).join()}}from"./${name}";`;
  });
  Deno.writeTextFileSync(join(folder, "merge.js"), lines.join("\n"));
  await bundleOne(folder, "merge.js", START);
  Deno.removeSync(join(folder, "merge.js"));
  for (const name of merged) {
    const own = exported.filter((one) => one.name === name);
    const text = `export{${
      own.map(({ export_, unique }) => `${unique} as ${export_}`).join()
    }}from"./${START}";\n`;
    Deno.writeTextFileSync(join(folder, name), text);
  }
  await bundleOne(folder, MAIN, MAIN, "--external", `./${START}`);
  return [START, MAIN];
}

/** The modules of the folder that these import at once, and themselves. */
function importedBy(folder: string, entries: readonly string[]): Set<string> {
  const found = new Set(entries);
  for (const name of found) {
    const text = Deno.readTextFileSync(join(folder, name));
    for (const [, from] of text.matchAll(/\b(?:from|import) ?"\.\/([\w.-]+\.js)"/g)) {
      if (from !== undefined) found.add(from);
    }
  }
  return found;
}

/** The names that a module of the bundler's exports: it writes them once, at the end. */
function exportsOf(folder: string, name: string): string[] {
  const text = Deno.readTextFileSync(join(folder, name));
  const list = /\bexport ?\{([^{}]*)\};?\s*$/.exec(text)?.[1];
  if (list === undefined && text.includes("export")) {
    throw new Error(`${name} exports in a way that is not known`);
  }
  return (list ?? "").split(",").map((one) => one.trim()).filter((one) => one !== "")
    .map((one) => / as ([\w$]+)$/.exec(one)?.[1] ?? one);
}

async function bundleOne(folder: string, entry: string, output: string, ...flags: string[]): Promise<void> {
  const args = [
    "bundle",
    "--quiet",
    "--no-config",
    "--no-lock",
    "--minify",
    ...flags,
    "--output",
    output,
    entry,
  ];
  const ran = await runDeno(args, { cwd: folder });
  if (ran.code !== 0) throw new Error(`deno bundle failed: ${ran.text}`);
}

// Writes the generated files: the profiles from catalogue.ts and the validator from schemas/. With `--check`
// it writes nothing and fails if a file differs from the generator's output.
//
//     deno run -P profiles/generate.ts [--check]

import { dirname, fromFileUrl, join, relative } from "@std/path";
import { compileSchema, VALIDATOR } from "./compile_schemas.ts";
import { profileFiles } from "./write_profiles.ts";

const HERE = fromFileUrl(new URL("./", import.meta.url));
const SRC = join(HERE, "../src");

/** One line per file that differs from the generator's output; empty if all files match. */
export async function drift(): Promise<string[]> {
  const wanted = await wantedFiles();
  const found = [...wanted].filter(([path, text]) => textOf(path) !== text)
    .map(([path]) => `${relative(HERE, path)} differs from the output of profiles/generate.ts`);
  const stray = yamlFiles(HERE).filter((path) => !wanted.has(path))
    .map((path) => `${relative(HERE, path)} is not in profiles/catalogue.ts`);
  return [...found, ...stray];
}

async function wantedFiles(): Promise<Map<string, string>> {
  const files = new Map([...profileFiles()].map(([path, text]) => [join(HERE, path), text]));
  files.set(join(SRC, VALIDATOR), await compileSchema());
  return files;
}

async function write(): Promise<void> {
  const wanted = await wantedFiles();
  for (const path of yamlFiles(HERE)) if (!wanted.has(path)) Deno.removeSync(path);
  for (const [path, text] of wanted) {
    if (textOf(path) === text) continue;
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, text);
  }
}

function textOf(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return null;
    throw thrown;
  }
}

function yamlFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory ? yamlFiles(path) : /\.ya?ml$/.test(entry.name) ? [path] : [];
  });
}

if (import.meta.main) {
  if (!Deno.args.includes("--check")) await write();
  const faults = await drift();
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) Deno.exit(1);
}

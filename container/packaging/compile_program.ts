import { join } from "@std/path";
import { runDeno } from "./run_deno.ts";
import { V8_FLAGS } from "./v8_flags.ts";

/**
 * Compiles a bundled program to one executable with `deno compile`.
 *
 * Its base, denort, comes from `DENORT_BIN`, else from Deno's cache or download site.
 *
 * @returns `null` on success; otherwise why no base was available within `timeout` milliseconds.
 * @throws {Error} If `deno compile` fails for another reason, or with the base from `DENORT_BIN`.
 */
export async function compileProgram(
  program: string,
  output: string,
  options: { target: string; permissions: readonly string[]; timeout: number },
): Promise<string | null> {
  const temporary = `${output}.new`;
  const named = Deno.env.get("DENORT_BIN");
  const ran = await runDeno([
    "compile",
    ...["--no-check", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-prompt", V8_FLAGS],
    ...options.permissions,
    ...["--target", options.target, "--output", temporary],
    ...others(program).flatMap((path) => ["--include", path]),
    join(program, "main.js"),
  ], { timeout: options.timeout });
  if (ran.code === 0) {
    Deno.renameSync(temporary, output);
    return null;
  }
  removeTemporary(temporary);
  if (ran.code === null) return `downloading denort took longer than ${options.timeout / 1000} s`;
  if (named !== undefined) throw new Error(`DENORT_BIN names ${named}: ${cause(ran.text)}`);
  if (!/Setting up base binary|denort/i.test(ran.text)) throw new Error(`deno compile failed: ${ran.text}`);
  return `denort is not available: ${cause(ran.text)}`;
}

/** The innermost cause in Deno's output. */
function cause(text: string): string {
  const lines = text.split("\n").map((line) => line.replace(/^\s*\d+: /, "").trim()).filter((line) =>
    line !== ""
  );
  const stack = lines.findIndex((line) => /^Stack backtrace/.test(line));
  return (stack === -1 ? lines : lines.slice(0, stack)).at(-1) ?? "no reason given";
}

/** Everything except the main module: lazy modules, workers, libraries, profiles. */
function others(program: string): string[] {
  return [...Deno.readDirSync(program)].map(({ name }) => name).filter((name) => name !== "main.js").sort()
    .map((name) => join(program, name));
}

function removeTemporary(path: string): void {
  const slash = path.lastIndexOf("/");
  const [folder, name] = [path.slice(0, slash), path.slice(slash + 1)];
  for (const entry of [...Deno.readDirSync(folder)]) {
    if (entry.name.startsWith(name)) Deno.removeSync(join(folder, entry.name), { recursive: true });
  }
}

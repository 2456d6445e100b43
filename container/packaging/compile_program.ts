import { join } from "@std/path";
import { runDeno } from "./run_deno.ts";
import { V8_FLAGS } from "./v8_flags.ts";

/** Whether there is an executable now; else why `deno compile` made none, in a few words. */
export type Compiled = { readonly kind: "made" } | { readonly kind: "no-base"; readonly reason: string };

/**
 * Has `deno compile` make one executable of a bundled program.
 *
 * Its base, denort, comes from `DENORT_BIN`, else from Deno's cache or from Deno's download site: where neither has it in `timeout`
 * milliseconds, that is no failure.
 *
 * @throws {Error} where `deno compile` fails for any other reason, or with the base that `DENORT_BIN` names.
 */
export async function compileProgram(
  program: string,
  output: string,
  options: { target: string; permissions: readonly string[]; timeout: number },
): Promise<Compiled> {
  const temporary = `${output}.new`;
  const named = Deno.env.get("DENORT_BIN");
  const ran = await runDeno([
    "compile",
    ...["--no-check", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-prompt", V8_FLAGS],
    ...options.permissions,
    ...["--target", options.target, "--output", temporary],
    ...["profiles", "build.json", "package.json"].flatMap((name) => ["--include", join(program, name)]),
    ...chunks(program).flatMap((name) => ["--include", join(program, name)]),
    join(program, "main.js"),
  ], { timeout: options.timeout });
  if (ran.code === 0) {
    Deno.renameSync(temporary, output);
    return { kind: "made" };
  }
  removeTemporary(temporary);
  if (ran.code === null) {
    return { kind: "no-base", reason: `denort did not arrive within ${options.timeout / 1000} s` };
  }
  if (named !== undefined) throw new Error(`DENORT_BIN names ${named}: ${cause(ran.text)}`);
  if (!/Setting up base binary|denort/i.test(ran.text)) throw new Error(`deno compile failed: ${ran.text}`);
  return { kind: "no-base", reason: `denort cannot be had: ${cause(ran.text)}` };
}

/** The innermost of the causes that Deno prints. */
function cause(text: string): string {
  const lines = text.split("\n").map((line) => line.replace(/^\s*\d+: /, "").trim()).filter((line) =>
    line !== ""
  );
  const stack = lines.findIndex((line) => /^Stack backtrace/.test(line));
  return (stack === -1 ? lines : lines.slice(0, stack)).at(-1) ?? "no reason given";
}

/** Modules that are imported as the program runs, and the thread's. */
function chunks(program: string): string[] {
  return [...Deno.readDirSync(program)].map((entry) => entry.name)
    .filter((name) => name.endsWith(".js") && name !== "main.js").sort();
}

function removeTemporary(path: string): void {
  const slash = path.lastIndexOf("/");
  const [folder, name] = [path.slice(0, slash), path.slice(slash + 1)];
  for (const entry of [...Deno.readDirSync(folder)]) {
    if (entry.name.startsWith(name)) Deno.removeSync(join(folder, entry.name), { recursive: true });
  }
}

import type { BuildInfo } from "../../src/cli/build_info.ts";
import { elfMachine, TARGETS } from "./find_runtime.ts";

/**
 * Checks that an executable is `aim` by its version, and runs its self-test. If it is for another machine
 * than this one, only its architecture is checked.
 *
 * @param scratch A directory to unpack into.
 * @returns Why the self-test failed; `null` if it passed.
 * @throws {Error} If it is another program.
 */
export async function checkExecutable(
  path: string,
  target: string,
  { version, commit, form }: BuildInfo,
  scratch: string,
): Promise<string | null> {
  if (target !== Deno.build.target) {
    if (form === "compiled" && elfMachine(path) !== TARGETS[target]?.machine) {
      throw new Error(`the compiled-in base is not for ${target}`);
    }
    return null;
  }
  const from = commit === null ? "" : `commit ${commit.slice(0, 12)}, `;
  const expected = `aim ${version} (${from}Deno ${Deno.version.deno}, ${form})\n`;
  const printed = await run(path, "--version", scratch);
  if (printed.stdout !== expected) {
    const base = Deno.env.get("DENORT_BIN");
    const because = form === "compiled" && base !== undefined
      ? `; DENORT_BIN names ${base}: is that denort?`
      : "";
    throw new Error(
      `the executable should print "${expected.trim()}" but printed "${
        printed.stdout.split("\n")[0]
      }"${because}`,
    );
  }
  const tested = await run(path, "__self-test", scratch);
  return tested.code === 0 ? null : `the executable fails its self-test: ${tested.stderr.trim()}`;
}

async function run(path: string, word: string, scratch: string) {
  const ran = await new Deno.Command(path, {
    args: [word],
    env: { AIM_RUNTIME_DIR: scratch, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code: ran.code, stdout: decoder.decode(ran.stdout), stderr: decoder.decode(ran.stderr) };
}

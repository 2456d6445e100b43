import type { BuildInfo } from "../../src/cli/build_info.ts";
import { elfMachine } from "./elf_machine.ts";
import { TARGETS } from "./find_runtime.ts";

/**
 * Makes sure that what was built is `aim`, and works: it says its version and passes its self-test. Where this machine cannot run it, only
 * the machine it is for is looked at.
 *
 * @param scratch A directory that it may unpack into.
 * @returns Whether it was run.
 * @throws {Error} where it is something else, or a part of it does not work.
 */
export async function checkExecutable(
  path: string,
  target: string,
  { version, commit, form }: BuildInfo,
  scratch: string,
): Promise<boolean> {
  if (target !== Deno.build.target) {
    if (form === "compiled" && elfMachine(path) !== TARGETS[target]?.machine) {
      throw new Error(`the base that was compiled in is not for ${target}`);
    }
    return false;
  }
  const from = commit === null ? "" : `commit ${commit.slice(0, 12)}, `;
  const expected = `aim ${version} (${from}Deno ${Deno.version.deno}, ${form})\n`;
  const said = await run(path, "--version", scratch);
  if (said.stdout !== expected) {
    const base = Deno.env.get("DENORT_BIN");
    const because = form === "compiled" && base !== undefined
      ? `; DENORT_BIN names ${base}: is that denort?`
      : "";
    throw new Error(
      `what was built does not say "${expected.trim()}" but "${said.stdout.split("\n")[0]}"${because}`,
    );
  }
  const tested = await run(path, "__self-test", scratch);
  if (tested.code !== 0) throw new Error(`what was built fails its self-test: ${tested.stderr.trim()}`);
  return true;
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

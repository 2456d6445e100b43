import type { BuildInfo } from "../../src/cli/build_info.ts";
import { elfMachine } from "./elf_machine.ts";
import { TARGETS } from "./find_runtime.ts";

/**
 * Makes sure that what was built is `aim`: has it tell its version where this machine can run it, else looks what machine it is for.
 *
 * @param scratch A directory that it may unpack into.
 * @throws {Error} where it is something else.
 */
export async function checkExecutable(
  path: string,
  target: string,
  { version, commit, form }: BuildInfo,
  scratch: string,
): Promise<void> {
  if (target !== Deno.build.target) {
    if (form === "compiled" && elfMachine(path) !== TARGETS[target]?.machine) {
      throw new Error(`the base that was compiled in is not for ${target}`);
    }
    return;
  }
  const from = commit === null ? "" : `commit ${commit.slice(0, 12)}, `;
  const expected = `aim ${version} (${from}Deno ${Deno.version.deno}, ${form})\n`;
  const ran = await new Deno.Command(path, {
    args: ["--version"],
    env: { AIM_RUNTIME_DIR: scratch },
    stdin: "null",
  }).output();
  const printed = new TextDecoder().decode(ran.stdout);
  if (printed !== expected) {
    const base = Deno.env.get("DENORT_BIN");
    const because = form === "compiled" && base !== undefined
      ? `; DENORT_BIN names ${base}: is that denort?`
      : "";
    throw new Error(
      `what was built does not say "${expected.trim()}" but "${printed.split("\n")[0]}"${because}`,
    );
  }
}

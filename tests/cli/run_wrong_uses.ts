import { aimInProcess } from "./aim_in_process.ts";
import type { World } from "./world.ts";

/** Arguments, extra variables, the exit code and facts that the last line on standard error must name. */
export type WrongUse = readonly [
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  code: number,
  facts: readonly string[],
];

/** Adds a file `file` and a directory `profiles` with one profile to the world's directory. */
export async function furnish({ directory }: World): Promise<void> {
  await Deno.writeTextFile(`${directory}/file`, "");
  const name = "general/vllm-mi300x-fp16-tp1-latency.yaml";
  await Deno.mkdir(`${directory}/profiles/general`, { recursive: true });
  await Deno.copyFile(new URL(`../../profiles/${name}`, import.meta.url), `${directory}/profiles/${name}`);
}

/** Runs aim. `$DIR`, `$HUB` and `$S3` stand for the world's directory and the hosts of its servers. */
export async function runWrongUse(
  world: World,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; line: string; stdout: string }> {
  const places = [
    ["$DIR", world.directory],
    ["$HUB", new URL(world.hub.url).host],
    ["$S3", new URL(world.s3.url).host],
  ] as const;
  const filled = (text: string) => places.reduce((all, [name, value]) => all.replaceAll(name, value), text);
  const { code, stdout, stderr } = await aimInProcess(words.map(filled), {
    cwd: world.directory,
    env: {
      ...world.env,
      ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value)])),
    },
  });
  const last = stderr.trimEnd().split("\n").at(-1) ?? "";
  const line = places.reduce((all, [name, value]) => all.replaceAll(value, name), last);
  return { code, line: line.startsWith("{") ? messageOf(line) : line.replace(/^aim: error: /, ""), stdout };
}

/** Message and hint of a JSON error. */
function messageOf(line: string): string {
  const { message, hint } = JSON.parse(line);
  return `${message}; ${hint}`;
}

import { assert, assertEquals } from "@std/assert";
import { parseFlags } from "../../src/cli/parse_flags.ts";
import { findCommand, loadCommands } from "../../src/cli/registry.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { startWorld } from "./world.ts";

const COMMANDS = await loadCommands();

/** Commands to run first, because others need their downloads, and those to run last, which clean up. */
const ORDER = ["download-to-cache", "fetch", "serve"];
const LAST = ["cache remove", "cache prune"];

/** Expected exit codes: there is no vLLM, not every model is in the cache, and no terminal to ask at. */
const MAY_RETURN: Readonly<Record<string, readonly number[]>> = {
  "doctor": [0, 1],
  "resolve": [0, 5],
  "cache remove": [0, 2, 5],
};

Deno.test("every command has three examples and a summary, and lists no setting or flag twice", () => {
  for (const { name, summary, examples = {}, settings, flags } of COMMANDS) {
    assertEquals(Object.keys(examples).length, 3, name);
    assert(summary.length > 0 && !summary.endsWith("."), name);
    assertEquals(new Set(settings).size, settings.length, name);
    assertEquals(new Set(flags.map((f) => f.name)).size, flags.length, name);
  }
});

Deno.test("every example of the help works as printed", async (t) => {
  await using world = await startWorld();
  const { directory, env } = world;
  const profiles = new URL("../../profiles/general/", import.meta.url);
  const profile = [...Deno.readDirSync(profiles)].find((e) => e.name.endsWith(".yaml"))?.name ?? "";
  await Deno.mkdir(`${directory}/profiles/custom/general`, { recursive: true });
  for (const copy of [`profiles/custom/general/${profile}`, "my-profile.yaml"]) {
    await Deno.copyFile(new URL(profile, profiles), `${directory}/${copy}`);
  }
  const model = `${directory}/models/llama`;
  await Deno.mkdir(model, { recursive: true });
  await Deno.writeTextFile(`${model}/config.json`, "{}");
  await Deno.writeFile(`${model}/model.safetensors`, safetensorsBytes(200));
  const rank = (name: string) => LAST.includes(name) ? 2 : ORDER.includes(name) ? 0 : 1;
  for (const command of [...COMMANDS].sort((a, b) => rank(a.name) - rank(b.name))) {
    await t.step(command.name, async () => {
      for (const example of Object.keys(command.examples ?? {})) {
        // Only absolute directories are changed: they are moved below the test's own.
        const line = example.replaceAll(/(?<=\s|=)\/(?=models|data|mnt|cache)/g, `${directory}/`);
        const { code, stdout, stderr } = await new Deno.Command("bash", {
          args: ["-o", "pipefail", "-c", line],
          clearEnv: true,
          env: { ...env, AIM_GPU_MODEL: "MI300X", AIM_MODEL_ID: "meta-llama/Llama-3.1-8B-Instruct" },
          cwd: directory,
          stdin: "null",
        }).output();
        const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
        assert(
          (MAY_RETURN[command.name] ?? [0]).includes(code),
          `${line}: ${code}\n${text(stderr)}${text(stdout)}`,
        );
      }
    });
  }
});

Deno.test("every example is of its own command and uses only valid flags", () => {
  for (const command of COMMANDS) {
    for (const line of Object.keys(command.examples ?? {})) {
      const words = wordsOf(line);
      const call = findCommand(words);
      assert(call.name === command.name, line);
      parseFlags(command, call.rest);
    }
  }
});

/** The words after `aim`, up to a shell operator. */
function wordsOf(line: string): string[] {
  const own = line.slice(line.indexOf("aim ") + 4).split(/ [|>&]|\)/)[0] ?? "";
  return [...own.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2] ?? m[3] ?? "");
}

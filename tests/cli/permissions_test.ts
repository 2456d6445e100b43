import { assertEquals } from "@std/assert";
import { loadsFirst } from "../../src/cli/command.ts";
import { COMMAND_NAMES, loadCommand } from "../../src/cli/registry.ts";
import { aim } from "./aim.ts";

/** Arguments with which a command does most of its work without a network, a GPU or a model. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  "cache verify": ["--repair"],
  "dry-run": ["--format", "json"],
  "download-to-cache": ["--model-id", "hf://no/model", "--offline"],
  "fetch": ["hf://no/model", "dest", "--offline"],
  "size": ["hf://no/model", "--offline"],
  "profiles validate": ["none.yaml"],
  "cache remove": ["no/model", "--yes"],
  "cache pin": ["no/model"],
  "cache prune": ["--keep", "1GiB", "--yes"],
  "completions": ["bash"],
  "export": ["no/model", "layout"],
};

for (const name of COMMAND_NAMES) {
  Deno.test(`aim ${name} runs with only the permissions that it declares`, async () => {
    const named = { AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1" };
    const { atEnd } = await probe([...name.split(" "), ...ARGUMENTS[name] ?? []], named);
    assertEquals(atEnd, await granted(name));
  });
}

for (const name of COMMAND_NAMES) {
  const command = await loadCommand(name);
  const looks = command.prepare !== undefined;
  if (!looks && !loadsFirst(command.permissions)) continue;
  const more = looks ? ["run", "ffi"] : ["ffi"];
  Deno.test(`when aim ${name} first loads a library, it has only ${more.join(" and ")} in addition`, async () => {
    const { atLibrary } = await probe([...name.split(" "), ...ARGUMENTS[name] ?? []], {});
    assertEquals(atLibrary, [...new Set([...await granted(name), ...more])].sort());
  });
}

/** The permissions that a command declares. */
async function granted(name: string): Promise<string[]> {
  const { permissions } = await loadCommand(name);
  const names = Object.entries(permissions).filter(([, may]) => may).map(([what]) => what);
  // Host name and processors, for locks and servers.
  return [...names, ...permissions.net || permissions.write ? ["sys"] : []].sort();
}

/** An aim process's permissions when it first loads the C library (`null` if never) and at its end. */
async function probe(
  words: readonly string[],
  env: Record<string, string>,
): Promise<{ atLibrary: string[] | null; atEnd: string[] }> {
  const directory = await Deno.makeTempDir();
  try {
    const { stderr } = await aim(words, {
      preload: new URL("permissions_probe.ts", import.meta.url).pathname,
      cwd: directory,
      env: {
        PROBE_DIR: directory,
        AIM_CACHE_PATH: `${directory}/cache`,
        AIM_MODEL_ID: "meta-llama/Llama-3.1-8B-Instruct",
        HF_HUB_OFFLINE: "1",
        ...env,
      },
    });
    const seen = (when: string): string[] | null => {
      const found = new RegExp(`^PROBE ${when} (.*)$`, "m").exec(stderr)?.[1];
      return found === undefined ? null : (JSON.parse(found) as string[]).sort();
    };
    const atEnd = seen("end");
    if (atEnd === null) throw new Error(`the probe did not run: ${stderr}`);
    return { atLibrary: seen("library"), atEnd };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

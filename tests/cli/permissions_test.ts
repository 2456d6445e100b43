import { assertEquals } from "@std/assert";
import { commandNames, loadCommand } from "../../src/cli/registry.ts";
import { aim } from "./aim.ts";

/** Words after a command that let it run as far as it gets without a network, a GPU or a model. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  // Without it, it gives the network up by itself.
  "dry-run": ["--format", "json"],
  "download-to-cache": ["--model-id", "hf://no/model", "--offline"],
  "fetch": ["hf://no/model", "dest", "--offline"],
  "size": ["hf://no/model", "--offline"],
  "profiles validate": ["none.yaml"],
  "cache remove": ["no/model", "--yes"],
  "cache prune": ["--yes"],
  "completions": ["bash"],
};

/** Run as a child of nothing that may replace itself: their own tests see to these. */
const REPLACES_ITSELF = ["serve"];

for (const name of commandNames().filter((n) => !REPLACES_ITSELF.includes(n))) {
  Deno.test(`while aim ${name} runs, it is refused what its table row does not grant`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      const command = await loadCommand(name);
      const { stderr } = await aim([...name.split(" "), ...ARGUMENTS[name] ?? []], {
        preload: new URL("permissions_probe.ts", import.meta.url).pathname,
        cwd: directory,
        env: {
          PROBE_DIR: directory,
          AIM_CACHE_PATH: `${directory}/cache`,
          AIM_MODEL_ID: "meta-llama/Llama-3.1-8B-Instruct",
          AIM_GPU_MODEL: "MI300X",
          HF_HUB_OFFLINE: "1",
        },
      });
      const probe = /^PROBE (.*)$/m.exec(stderr)?.[1];
      const granted = Object.entries(command?.permissions ?? {}).filter(([, may]) => may).map(([what]) =>
        what
      );
      assertEquals(probe === undefined ? stderr : JSON.parse(probe), granted);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

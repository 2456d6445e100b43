import { assert, assertEquals } from "@std/assert";
import { JSON_SHAPES } from "../../src/cli/json_shapes.ts";
import { commandNames, loadCommand } from "../../src/cli/registry.ts";
import { aim } from "./aim.ts";
import { furnish } from "./run_wrong_uses.ts";
import { startWorld } from "./world.ts";

/** Positional arguments and flags that a command needs; none may stop it. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  "size": ["org/model"],
  "cache pin": ["org/model"],
  "cache remove": ["org/model", "--yes"],
  "cache prune": ["--yes"],
  "profiles validate": ["profiles"],
};

/** The shape that a command prints, by its name. */
const shapeOf = (name: string) =>
  JSON_SHAPES.find((s) => s.command === name || s.command === `${name} --format json`);

Deno.test("every command that prints JSON has its shape documented", async () => {
  for (const name of commandNames()) {
    const command = await loadCommand(name);
    const prints = command?.flags.some((f) => f.name === "format" && f.choices?.includes("json")) ?? false;
    if (prints && name !== "fetch") assert(shapeOf(name) !== undefined, name);
  }
});

Deno.test("standard output is the documented JSON alone, whatever logs, progress and colours are asked for", async () => {
  await using world = await startWorld();
  await furnish(world);
  const order = ["download-to-cache", ...commandNames().filter((n) => n !== "download-to-cache")];
  for (const name of order) {
    const shape = shapeOf(name);
    if (shape === undefined) continue;
    const { stdout, stderr } = await aim([...shape.command.split(" "), ...MORE[name] ?? []], {
      cwd: world.directory,
      env: {
        ...world.env,
        AIM_MODEL_ID: "org/model",
        AIM_GPU_MODEL: "MI300X",
        AIM_LOG_LEVEL: "DEBUG",
        CLICOLOR_FORCE: "1",
      },
    });
    assert(stdout !== "", `${name}: ${stderr}`);
    const printed = JSON.parse(stdout);
    const value = shape.kind === "array" ? printed[0] : printed;
    const keys = shape.keys.filter((key) => !(key in value));
    assertEquals(keys, [], `${name} lacks keys: ${stdout}${stderr}`);
    if (shape.keys.includes("schemaVersion")) assertEquals(value.schemaVersion, 1, name);
    assert(stdout.endsWith("\n"), name);
  }
});

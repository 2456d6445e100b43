import { assert, assertEquals } from "@std/assert";
import { Ajv } from "ajv";
import { keysOf, OUTPUT_SCHEMAS } from "../../src/cli/help_topics.ts";
import { loadCommands } from "../../src/cli/registry.ts";
import { makeTree } from "../gpu/fixtures.ts";
import { aim } from "./aim.ts";
import { furnish } from "./run_wrong_uses.ts";
import { startWorld } from "./world.ts";

const SCHEMA = JSON.parse(
  await Deno.readTextFile(new URL("../../src/cli/schemas/output.schema.json", import.meta.url)),
);
const ajv = new Ajv({ allErrors: true, strict: false });
ajv.addSchema(SCHEMA);

/** Validates a value against the schema of that name. */
function faults(name: string, value: unknown): unknown {
  const validate = ajv.getSchema(`${SCHEMA.$id}#/definitions/${name}`);
  assert(validate !== undefined, name);
  return validate(value) ? [] : validate.errors;
}

/** The name of a command's JSON schema. */
const schemaOf = (command: string) =>
  Object.entries(OUTPUT_SCHEMAS).find(([, { title }]) =>
    title === command || title === `${command} --format json`
  )?.[0];

Deno.test("every command that prints JSON has a schema in which every key has a description", async () => {
  for (const { name, flags } of await loadCommands()) {
    const prints = flags.some((f) => f.name === "format" && f.choices?.includes("json"));
    // fetch shares the schema of download-to-cache.
    if (prints && name !== "fetch") assert(schemaOf(name) !== undefined, name);
  }
  for (const [name, schema] of Object.entries(OUTPUT_SCHEMAS)) {
    for (const [key, says] of keysOf(schema)) assert(says !== "", `${name}: ${key}`);
  }
});

/** Runs in order, with the schema of each one's output. */
const RUNS: readonly (readonly [string, readonly string[]])[] = [
  ["downloadPreview", ["download-to-cache", "--dry-run", "--json"]],
  ["resolve", ["resolve", "--json"]],
  ["dryRun", ["dry-run", "--json"]],
  ["download", ["download-to-cache", "--json"]],
  ["download", ["pull", "org/model", "s3://models/org/llama-7b", "--json"]],
  ["download", ["pull", "org/model", "--use-hf-cache", "--json"]],
  ["download", ["fetch", "org/model", "fetched", "--json"]],
  ["dryRun", ["dry-run", "--json"]],
  ["listProfiles", ["list-profiles", "--json"]],
  ["listProfiles", ["list-profiles", "--json", "--skip-compatibility-check"]],
  ["listProfiles", ["list-profiles", "--json", "--precision", "int4"]],
  ["size", ["size", "org/model"]],
  ["size", ["size", "org/model", "--json"]],
  ["resolve", ["resolve", "--json"]],
  ["cacheList", ["ls", "--json"]],
  ["cacheVerify", ["cache", "verify", "--json"]],
  ["cachePin", ["cache", "pin", "org/model", "--json"]],
  ["export", ["export", "org/model", "oci", "--json"]],
  ["detectHardware", ["detect-hardware"]],
  ["detectHardware", ["detect-hardware", "-v"]],
  ["gpus", ["gpus", "--json"]],
  ["gpus", ["gpus", "--json", "--gpu-model", ""]],
  ["doctor", ["doctor", "--json"]],
  ["profilesValidate", ["profiles", "validate", "profiles", "file.yaml", "--json"]],
  ["cachePrune", ["cache", "prune", "--yes", "--json"]],
  ["cacheRemove", ["rm", "org/model", "--yes", "--json"]],
];

Deno.test("standard output is only JSON that matches its schema, regardless of logs, progress and colours", async () => {
  await using world = await startWorld();
  await using tree = await makeTree([{ id: 0x74a1, pci: "0000:c1:00.0", minor: 128, vram: 192, gfx: 90402 }]);
  await furnish(world);
  await Deno.writeTextFile(`${world.directory}/file.yaml`, "metadata: 1\n");
  for (const [name, args] of RUNS) {
    const detect = args.includes("");
    const { stdout, stderr } = await aim(detect ? args.slice(0, -2) : args, {
      cwd: world.directory,
      env: {
        ...world.env,
        AIM_MODEL_ID: "org/model",
        ...(detect ? { AIM_SYSFS_ROOT: tree.sys, AIM_DEV_ROOT: tree.dev } : { AIM_GPU_MODEL: "MI300X" }),
        AIM_LOG_LEVEL: "DEBUG",
        FORCE_COLOR: "1",
      },
    });
    assert(stdout.endsWith("\n"), `${args.join(" ")}: ${stderr}`);
    assertEquals(faults(name, JSON.parse(stdout)), [], `${args.join(" ")}: ${stdout.slice(0, 2000)}`);
  }
});

Deno.test("JSON progress, errors and log lines match their schemas", async () => {
  await using world = await startWorld();
  const args = ["pull", "org/model", "--progress", "json", "--log-format", "json"];
  const { stderr } = await aim(args, { env: { ...world.env } });
  const lines: Record<string, unknown>[] = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert(lines.some(({ event }) => event === "start") && lines.some(({ event }) => event === "end"));
  for (const line of lines) assertEquals(faults(line.type === "progress" ? "progress" : "log", line), []);
  for (
    const wrong of [["size", "org/absent", "--json"], ["pull", "org/absent", "--progress=json"], [
      "gpuss",
      "--json",
    ]]
  ) {
    const ran = await aim(wrong, { env: { ...world.env } });
    const error = JSON.parse(ran.stderr.trimEnd().split("\n").at(-1) ?? "");
    assertEquals([faults("error", error), error.exitCode], [[], ran.code], wrong.join(" "));
  }
});

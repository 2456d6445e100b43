// Writes src/engine/vllm_table.generated.ts from the parsers of vLLM's releases.
//
//   deno task vllm-table 0.34.0            add a release: its wheel comes from the Python package registry
//   deno task vllm-table --unpacked DIR    anew, from the unpacked wheels DIR/VERSION/, oldest first
//
// Each release's own parser is run (vllm_parser.py), in a small environment with stubs for what it imports.

import { type EngineTable, releasesOf } from "../../src/engine/engine_table.ts";
import { compareVersions, parseVersion } from "../../src/engine/engine_version.ts";
import { describeParser, unpackedVllm } from "./parsers.ts";
import { addRelease } from "./add_release.ts";

const FILE = new URL("../../src/engine/vllm_table.generated.ts", import.meta.url);

export async function writeTable(table: EngineTable): Promise<void> {
  const json = JSON.stringify(table, null, 2);
  if (/[`\\$]/.test(json)) throw new Error("the table has a character that a template literal would change");
  const text =
    `// Made by tests/vllm/make_table.ts: the options of \`python -m vllm.entrypoints.openai.api_server\` and the
// variables of vllm/envs.py, read from the releases named here by running their parsers. Do not edit.

import type { EngineTable } from "./engine_table.ts";

// As text: V8 reads JSON several times as fast as an object literal of this size.
export const VLLM_TABLE: EngineTable = JSON.parse(\`${json}\`);
`;
  await Deno.writeTextFile(FILE, text);
  const format = await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", FILE.pathname] }).output();
  if (!format.success) throw new Error(new TextDecoder().decode(format.stderr));
}

if (import.meta.main) {
  try {
    const releases = releasesOf(await make(Deno.args));
    console.log(`${FILE.pathname}: ${releases.length} releases, the newest is ${releases.at(-1)}`);
  } catch (error) {
    console.error(`vllm-table: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}

async function make(words: readonly string[]): Promise<EngineTable> {
  const [first, directory = ""] = words;
  if (first === undefined) throw new Error("name a release, or --unpacked and a directory");
  let table: EngineTable = { releases: "", options: {}, variables: {} };
  if (first === "--unpacked") {
    const versions = [...Deno.readDirSync(directory)].map((entry) => parseVersion(entry.name))
      .filter((version) => version !== null).sort(compareVersions);
    for (const { text } of versions) {
      table = addRelease(table, text, await describeParser(`${directory}/${text}`));
    }
  } else {
    table = (await import("../../src/engine/vllm_table.generated.ts")).VLLM_TABLE;
    for (const version of words) {
      table = addRelease(table, version, await describeParser(await unpackedVllm("vllm", version)));
    }
  }
  await writeTable(table);
  return table;
}

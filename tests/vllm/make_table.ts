// Writes src/engine/vllm_table.json from the parsers of vLLM's releases.
//
//   deno task vllm-table 0.34.0            adds a release, with its wheel from the Python package registry
//   deno task vllm-table --unpacked DIR    rebuilds it from the unpacked wheels DIR/VERSION/, oldest first
//
// It runs each release's parser (vllm_parser.py) in a small environment with stubs for its imports.

import { type EngineTable, VersionTable, VLLM_TABLE } from "../../src/engine/engine_table.ts";
import { compareVersions, parseVersion } from "../../src/engine/engine_version.ts";
import { describeParser, unpackedVllm } from "./parsers.ts";
import { addRelease } from "./add_release.ts";

const FILE = new URL("../../src/engine/vllm_table.json", import.meta.url);

export async function writeTable(table: EngineTable): Promise<void> {
  await Deno.writeTextFile(FILE, `${JSON.stringify(table, null, 2)}\n`);
}

if (import.meta.main) {
  try {
    const table = await make(Deno.args);
    const count = table.releases.split(" ").length;
    console.log(`${FILE.pathname}: ${count} releases, the newest is ${new VersionTable(null, table).newest}`);
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
    table = VLLM_TABLE;
    for (const version of words) {
      table = addRelease(table, version, await describeParser(await unpackedVllm("vllm", version)));
    }
  }
  await writeTable(table);
  return table;
}

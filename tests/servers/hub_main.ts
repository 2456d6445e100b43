// Serves a model directory by the hub's protocol:
//   deno run -q -P tests/servers/hub_main.ts --dir DIR --id org/model
//     [--port N] [--gated --token TOKEN] [--fault JSON]…
// Prints its addresses as one line of JSON. Ctrl-C stops it.
import { parseArgs } from "@std/cli/parse-args";
import { directoryContents } from "./directory_contents.ts";
import type { Fault } from "./faults.ts";
import { startHub } from "./hub_server.ts";

const flags = parseArgs(Deno.args, {
  string: ["dir", "id", "port", "token", "fault"],
  boolean: ["gated", "xet"],
  collect: ["fault"],
});
const dir = String(flags.dir ?? "");
const id = String(flags.id ?? "org/model");
const token = flags.token === undefined ? [] : [String(flags.token)];
const faults = (Array.isArray(flags.fault) ? flags.fault : []).map((text) =>
  JSON.parse(String(text)) as Fault
);
if (dir === "") {
  console.error("--dir DIR is missing");
  Deno.exit(2);
}
const hub = await startHub({
  port: Number(flags.port ?? 0),
  repos: [{
    id,
    files: await directoryContents(dir),
    gated: flags.gated === true ? "manual" : false,
    allowed: token,
    xet: () => flags.xet === true,
  }],
  faults,
});
console.log(JSON.stringify({ url: hub.url, cdnUrl: hub.cdnUrl, id, commit: hub.commit(id), pid: Deno.pid }));

// Serves a directory by S3's protocol:
//   deno run -q -P tests/servers/s3_main.ts --bucket BUCKET [--dir DIR] [--prefix PREFIX]
//     [--port N] [--fault JSON]…
// Prints its address and keys as one line of JSON. Ctrl-C stops it.
import { parseArgs } from "@std/cli/parse-args";
import { directoryContents } from "./directory_contents.ts";
import type { Fault } from "./faults.ts";
import { startS3 } from "./s3_server.ts";

const flags = parseArgs(Deno.args, {
  string: ["dir", "bucket", "prefix", "port", "fault"],
  collect: ["fault"],
});
const bucket = String(flags.bucket ?? "models");
const prefix = flags.prefix === undefined ? "" : `${String(flags.prefix).replace(/\/$/, "")}/`;
const faults = (Array.isArray(flags.fault) ? flags.fault : []).map((text) =>
  JSON.parse(String(text)) as Fault
);
const files = flags.dir === undefined ? {} : await directoryContents(String(flags.dir));
const objects = Object.fromEntries(Object.entries(files).map(([path, content]) => [prefix + path, content]));
const s3 = await startS3({ port: Number(flags.port ?? 0), buckets: { [bucket]: objects }, faults });
console.log(
  JSON.stringify({ url: s3.url, bucket, accessKey: s3.accessKey, secretKey: s3.secretKey, pid: Deno.pid }),
);

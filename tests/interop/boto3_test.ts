// How Python's boto3 copes with S3 servers that differ from Amazon's, as recorded in
// tests/servers/odd_cases.ts; aim downloads completely from all of them.
import { assertEquals } from "@std/assert";
import { ODD_CASES, ODD_OBJECTS } from "../servers/odd_cases.ts";
import { startOddS3 } from "../servers/odd_s3.ts";
import { pythonEnv } from "./python_env.ts";

// Includes boto3.
const KSERVE = await pythonEnv("kserve", ["kserve-storage==0.21.0"]);
const skip = typeof KSERVE === "string" ? null : KSERVE.skip;

const SCRIPT = `
import base64, boto3, io, json, sys
from botocore import UNSIGNED
from botocore.config import Config
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1",
                  config=Config(signature_version=UNSIGNED, retries={"max_attempts": 1}))
found = {}
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=sys.argv[2], Prefix="m/"):
    for entry in page.get("Contents", []):
        out = io.BytesIO()
        s3.download_fileobj(sys.argv[2], entry["Key"], out)
        found[entry["Key"]] = base64.b64encode(out.getvalue()).decode()
print(json.dumps(found))
`;

for (const [what, { odd, boto3, bucket = "models" }] of Object.entries(ODD_CASES)) {
  if (boto3 === "not tried") continue;
  Deno.test({
    name: `boto3 with ${what}: ${boto3}${skip === null ? "" : ` (skipped: ${skip})`}`,
    ignore: skip !== null,
    fn: async () => {
      await using s3 = startOddS3(bucket, ODD_OBJECTS, odd);
      const { code, stdout } = await new Deno.Command(`${KSERVE}/bin/python3`, {
        args: ["-c", SCRIPT, s3.url, bucket],
        clearEnv: true,
        env: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin", HOME: "/nonexistent" },
        stdin: "null",
      }).output();
      const found: unknown = code === 0 ? JSON.parse(new TextDecoder().decode(stdout)) : null;
      const expected = Object.fromEntries(
        Object.entries(ODD_OBJECTS).map(([key, bytes]) => [key, bytes.toBase64()]),
      );
      assertEquals(
        JSON.stringify(found, keysOf(expected)) === JSON.stringify(expected, keysOf(expected)),
        boto3 === "the same bytes",
      );
    },
  });
}

/** Sorted, so that both objects serialize in the same order. */
function keysOf(object: object): string[] {
  return Object.keys(object).toSorted();
}

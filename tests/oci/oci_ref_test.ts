import { assertEquals, assertThrows } from "@std/assert";
import { AimError } from "../../src/errors/aim_error.ts";
import { localNameOf } from "../../src/sources/local_name.ts";
import { parseModelRef, uriOf } from "../../src/sources/model_ref.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

for (
  const [text, uri, name] of [
    ["oci://reg.example/org/model", "oci://reg.example/org/model:latest", "org/model"],
    ["oci://reg.example:5000/a/b/c:v1", "oci://reg.example:5000/a/b/c:v1", "b/c"],
    [`oci://reg.example/m:v1@${DIGEST}`, `oci://reg.example/m@${DIGEST}`, "m"],
    ["oci-layout:/data/org/model", "oci-layout:/data/org/model:latest", "org/model"],
    [`oci-layout:/data/org/model:v1@${DIGEST}`, `oci-layout:/data/org/model@${DIGEST}`, "org/model"],
    ["oci-layout:/a:b/org/m@x:v1", "oci-layout:/a:b/org/m@x:v1", "org/m@x"],
    ["oci-layout:/data/org/model/:v2", "oci-layout:/data/org/model:v2", "org/model"],
  ] as const
) {
  Deno.test(`${text} is an artifact`, () => {
    const ref = parseModelRef(text);
    assertEquals([uriOf(ref), localNameOf(ref)], [uri, name]);
  });
}

for (
  const text of [
    "oci://reg.example",
    "oci:///org/model",
    "oci://reg.example/Org/model",
    "oci://reg.example/../model",
    "oci://reg.example/org/model@sha256:12",
    "oci://reg.example/org/model:",
    "oci://user@reg.example/org/model",
    "oci-layout:",
  ]
) {
  Deno.test(`${text} is not an artifact`, () => {
    assertEquals(assertThrows(() => parseModelRef(text), AimError).kind, "usage");
  });
}

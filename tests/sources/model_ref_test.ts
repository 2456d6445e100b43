import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { AimError } from "../../src/errors/aim_error.ts";
import { assertSafePath } from "../../src/sources/safe_path.ts";
import { localNameOf } from "../../src/sources/local_name.ts";
import { type ModelRef, parseModelRef, uriOf } from "../../src/sources/model_ref.ts";

Deno.test("a model is named as org/model, by hf:// or s3:// or by an absolute path", () => {
  const cases: [text: string, ref: ModelRef][] = [
    ["org/model", { kind: "hub", id: "org/model", revision: null }],
    ["hf://org/model", { kind: "hub", id: "org/model", revision: null }],
    ["HF://org/model", { kind: "hub", id: "org/model", revision: null }],
    ["gpt2", { kind: "hub", id: "gpt2", revision: null }],
    ["hf://gpt2", { kind: "hub", id: "gpt2", revision: null }],
    ["org/model@v1.0", { kind: "hub", id: "org/model", revision: "v1.0" }],
    ["hf://org/model@refs/pr/3", { kind: "hub", id: "org/model", revision: "refs/pr/3" }],
    ["hf://org/model:abc123", { kind: "hub", id: "org/model", revision: "abc123" }],
    ["hf://org/model:q4_k_m", { kind: "hub", id: "org/model", revision: "q4_k_m" }],
    ["org/model:Q4_K_M", { kind: "hub", id: "org/model", revision: null, quantisation: "Q4_K_M" }],
    ["hf://org/model:UD-IQ2_XXS", {
      kind: "hub",
      id: "org/model",
      revision: null,
      quantisation: "UD-IQ2_XXS",
    }],
    ["hf://org/model@v1.0:F16", { kind: "hub", id: "org/model", revision: "v1.0", quantisation: "F16" }],
    ["hf://org/model@Q8_0", { kind: "hub", id: "org/model", revision: "Q8_0" }],
    ["org-1/Model_2.5-FP8.v2", { kind: "hub", id: "org-1/Model_2.5-FP8.v2", revision: null }],
    ["https://huggingface.co/org/model", { kind: "hub", id: "org/model", revision: null }],
    ["https://huggingface.co/org/model/", { kind: "hub", id: "org/model", revision: null }],
    ["https://hf.co/org/model/tree/main", { kind: "hub", id: "org/model", revision: "main" }],
    ["http://www.huggingface.co/org/model/tree/refs%2Fpr%2F3/sub", {
      kind: "hub",
      id: "org/model",
      revision: "refs/pr/3",
    }],
    ["https://huggingface.co/org/model/blob/v1.0/a/config.json?x=1#L3", {
      kind: "hub",
      id: "org/model",
      revision: "v1.0",
    }],
    ["https://huggingface.co/org/model/resolve/refs/pr/3/config.json", {
      kind: "hub",
      id: "org/model",
      revision: "refs/pr/3",
    }],
    ["https://huggingface.co/gpt2/tree/main", { kind: "hub", id: "gpt2", revision: "main" }],
    ["s3://bucket", { kind: "s3", bucket: "bucket", prefix: "" }],
    ["s3://b/", { kind: "s3", bucket: "b", prefix: "" }],
    ["s3://my.bucket-1/models/org/m/", { kind: "s3", bucket: "my.bucket-1", prefix: "models/org/m" }],
    ["s3://b/run=5/a b#c?d@e", { kind: "s3", bucket: "b", prefix: "run=5/a b#c?d@e" }],
    ["/models/llama/", { kind: "path", path: "/models/llama" }],
    ["/", { kind: "path", path: "/" }],
  ];
  for (const [text, ref] of cases) assertEquals(parseModelRef(text), ref, text);
});

Deno.test("hostile and mistyped names are refused in one line", () => {
  const names = [
    "",
    "  ",
    "../x",
    "./model",
    "org/..",
    "org/../x",
    "a/b/c",
    "org//model",
    "org/",
    "/\0",
    "org/mo\ndel",
    "org\\model",
    "org/-model",
    "org/model.git",
    "org/a--b",
    "org/mödel",
    "org/a..b",
    `org/${"a".repeat(97)}`,
    "org/model@",
    "org/model@a..b",
    "org/model@/main",
    "org/model@a b",
    "hf://",
    "https://huggingface.co",
    "https://huggingface.co/",
    "https://huggingface.co/datasets/org/data",
    "https://huggingface.co/a/b/c",
    "https://huggingface.co.evil.example/org/model",
    "https://huggingface.co/org/..%2f..",
    "https://hub.corp/org/model",
    "hf:///org/model",
    "s3://",
    "s3:///key",
    "s3://b/../x",
    "s3://b/x/./y",
    "s3://b/x\\y",
    "s3://b/x\ny",
    "s3://..",
    "gs://bucket/x",
  ];
  for (const name of names) {
    const error = assertThrows(() => parseModelRef(name), AimError);
    assertEquals(error.kind, "usage", name);
    assertEquals(error.line.includes("\n"), false);
  }
  assertStringIncludes(assertThrows(() => parseModelRef("s3://b/../x"), AimError).line, '"s3://b/../x"');
});

Deno.test("a local name is the hub's name, --model-name, or the last two parts of the prefix", () => {
  const cases: [text: string, modelName: string | null, name: string][] = [
    ["hf://org/model@v1", null, "org/model"],
    ["org/model", "org/model", "org/model"],
    ["gpt2", null, "gpt2"],
    ["s3://bucket/models/org/m", null, "org/m"],
    ["s3://bucket/org/m/", null, "org/m"],
    ["s3://bucket/m", null, "m"],
    ["s3://bucket", null, "bucket"],
    ["s3://bucket/deep/path/model", "custom-org/my-model", "custom-org/my-model"],
    ["s3://bucket/x", "one", "one"],
    ["/models/org/m", null, "org/m"],
  ];
  for (const [text, modelName, name] of cases) {
    assertEquals(localNameOf(parseModelRef(text), modelName), name, text);
  }
});

Deno.test("a local name that would leave its place in the cache is refused", () => {
  const s3 = parseModelRef("s3://bucket/a/b");
  for (
    const name of [
      "../x",
      "a/..",
      "/abs",
      "a/b/c",
      "a//b",
      "",
      ".hidden",
      "a/.aim",
      "-x",
      "a\\b",
      "a\0",
      "hub/x",
      "hub",
    ]
  ) {
    const error = assertThrows(() => localNameOf(s3, name), AimError);
    assertEquals(error.kind, "usage", name);
    assertStringIncludes(error.line, JSON.stringify(name).slice(1, -1));
  }
  assertStringIncludes(
    assertThrows(() => localNameOf(parseModelRef("s3://bucket/hub/x")), AimError).line,
    "--model-name",
  );
  assertStringIncludes(
    assertThrows(() => localNameOf(parseModelRef("org/model"), "a/b"), AimError).line,
    "a hub model keeps its name",
  );
});

Deno.test("the canonical name is parsed to the same reference", () => {
  for (const text of ["org/model", "gpt2", "s3://b/x/y", "s3://b", "/a/b"]) {
    const ref = parseModelRef(text);
    assertEquals(parseModelRef(uriOf(ref)), ref);
  }
});

Deno.test("a path from a source that would leave its directory is refused", () => {
  for (const path of ["a", "a/b.c", "...", "a/..b", ".gitattributes", "sp ace/é#?%2e%2e", "x".repeat(255)]) {
    assertEquals(assertSafePath(path) as string, path);
  }
  for (
    const path of [
      "",
      "/a",
      "../a",
      "a/../b",
      "a/..",
      ".",
      "a//b",
      "a/",
      "a\\b",
      "a\0b",
      "a\nb",
      "x".repeat(256),
      "\ud800",
    ]
  ) {
    const error = assertThrows(() => assertSafePath(path, "hf://org/model"), AimError);
    assertEquals(error.kind, "integrity");
    assertStringIncludes(error.line, "hf://org/model has a file named");
  }
});

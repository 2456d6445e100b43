import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { imageLabels, readImageMetadata } from "../../container/packaging/image_labels.ts";
import type { Profile } from "../../src/profiles/types.ts";
import { makeProfile } from "../profiles/make_profile.ts";

const ROOT = new URL("../../", import.meta.url);
const METADATA = `title: Rocket 7B
description: { full: A small model. }
model:
  canonicalName: acme/rocket-7b
  source: https://example.org/acme/rocket-7b
  publisher: Acme
  tags: [text-generation, chat]
hfToken: { required: false }
`;

Deno.test("labels have AIM Engine's names and formats", () => {
  const labels = imageLabels("acme/rocket-7b", METADATA, []);
  assertEquals(Object.fromEntries(labels), {
    "com.amd.aim.title": "Rocket 7B",
    "com.amd.aim.description.full": "A small model.",
    "com.amd.aim.model.canonicalName": "acme/rocket-7b",
    "com.amd.aim.model.source": "https://example.org/acme/rocket-7b",
    "com.amd.aim.model.publisher": "Acme",
    "com.amd.aim.model.tags": "text-generation, chat",
    "com.amd.aim.hfToken.required": "False",
    "com.amd.aim.model.recommendedDeployments": "[]",
  });
});

Deno.test("recommends the primary profile per GPU and metric, or else the best automatic one", () => {
  const profile = (id: string, metadata: Partial<Profile["metadata"]>) => makeProfile({ id, metadata });
  const labels = imageLabels("acme/rocket-7b", null, [
    profile("old-fp16-1", { precision: "fp16" }),
    profile("old-fp8-2", { precision: "fp8", acceleratorCount: 2, type: "preview" }),
    profile("old-fp8-1", { precision: "fp8", type: "preview" }),
    profile("manual", { precision: "fp4", manualSelectionOnly: true }),
    profile("unmeasured", { acceleratorModel: "MI355X", precision: "fp4", type: "unoptimized" }),
    profile("new", { acceleratorModel: "MI325X", precision: "fp4", metric: "throughput" }),
    profile("new-primary", {
      acceleratorModel: "MI325X",
      acceleratorCount: 4,
      precision: "fp8",
      metric: "throughput",
      primary: true,
    }),
    profile("cpu", {
      acceleratorType: "cpu",
      acceleratorModel: "EPYC_9965",
      acceleratorCount: 8,
      precision: "bf16",
    }),
  ]);
  const deployments = JSON.parse(labels.get("com.amd.aim.model.recommendedDeployments") ?? "");
  assertEquals(deployments, [
    {
      gpuModel: "MI325X",
      gpuCount: 4,
      precision: "fp8",
      metric: "throughput",
      description: "4 MI325X in fp8, for throughput",
      profileId: "new-primary",
    },
    {
      gpuModel: "MI300X",
      gpuCount: 1,
      precision: "fp8",
      metric: "latency",
      description: "1 MI300X in fp8, for latency",
      profileId: "old-fp8-1",
    },
  ]);
});

Deno.test("a metadata file with unknown, missing or mistyped keys is rejected, and the keys are named", () => {
  const message = assertThrows(
    () => readImageMetadata("title: 7\nmodel: { tags: chat, canonicalName: a/b, colour: red }\n"),
    Error,
  ).message;
  for (const part of ["model.colour", "title must", "model.tags must", "hfToken.required is missing"]) {
    assertStringIncludes(message, part);
  }
});

Deno.test("exactly the models with profiles have a metadata file, and each file is valid", () => {
  const models = (folder: string) =>
    [...Deno.readDirSync(new URL(folder, ROOT))].filter(({ name, isDirectory }) =>
      isDirectory && !["general", "schemas"].includes(name)
    ).flatMap(({ name: org }) =>
      [...Deno.readDirSync(new URL(`${folder}${org}/`, ROOT))].map(({ name }) => `${org}/${name}`)
    )
      .sort();
  const described = models("container/metadata/").map((name) => name.replace(/\.yaml$/, "")).sort();
  assertEquals(described, models("profiles/"));
  for (const model of described) {
    const values = readImageMetadata(
      Deno.readTextFileSync(new URL(`container/metadata/${model}.yaml`, ROOT)),
    );
    assertEquals(values.get("model.canonicalName"), model);
    // AIM Engine reads single quotes in its JSON label as double ones.
    assert(![...values.values()].some((value) => value.includes("'")), model);
  }
});

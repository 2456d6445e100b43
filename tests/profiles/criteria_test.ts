import { assertEquals } from "@std/assert";
import { criteriaOf } from "../../src/profiles/criteria.ts";

const config = {
  engine: "vllm",
  metric: "latency",
  precision: "auto",
  generalFallback: true,
  gpuModel: null,
  gpuCount: "auto",
} as const;
const eight = { model: "MI300X", count: 8, partitioned: false };
const none = { model: null, count: 0, partitioned: false };

Deno.test("what is detected is available, and an automatic count asks for none in particular", () => {
  assertEquals(criteriaOf(config, eight, "org/model"), {
    criteria: {
      engine: "vllm",
      metric: "latency",
      model: "org/model",
      gpu: { model: "MI300X", available: 8, requested: null, partitioned: false },
      precision: "auto",
      generalFallback: true,
    },
    warnings: [],
  });
});

Deno.test("a count that is asked for is kept beside what is there", () => {
  const { criteria } = criteriaOf({ ...config, gpuCount: 4 }, { ...eight, partitioned: true }, null);
  assertEquals(criteria.gpu, { model: "MI300X", available: 8, requested: 4, partitioned: true });
  assertEquals(criteria.model, null);
});

Deno.test("a GPU model without a count is one GPU, with a warning; with a count there is none", () => {
  const named = { model: "MI325X", count: 1, partitioned: false };
  const without = criteriaOf({ ...config, gpuModel: "MI325X" }, named, "a/b");
  assertEquals([without.criteria.gpu?.available, without.criteria.gpu?.requested], [1, 1]);
  assertEquals(without.warnings, ["AIM_GPU_MODEL is MI325X without AIM_GPU_COUNT: taking 1 GPU"]);
  const asked = criteriaOf({ ...config, gpuModel: "MI325X", gpuCount: 2 }, { ...named, count: 2 }, "a/b");
  assertEquals([asked.criteria.gpu?.available, asked.criteria.gpu?.requested], [2, 2]);
  assertEquals(asked.warnings, []);
});

Deno.test("with a count of 0 nothing can fit, and the GPU model stays known", () => {
  const { criteria } = criteriaOf({ ...config, gpuModel: "MI325X", gpuCount: 0 }, none, "a/b");
  assertEquals([criteria.gpu?.model, criteria.gpu?.requested], ["MI325X", 0]);
});

Deno.test("no GPU seen and none named: there are no GPU criteria", () => {
  assertEquals(criteriaOf(config, none, "a/b").criteria.gpu, null);
});

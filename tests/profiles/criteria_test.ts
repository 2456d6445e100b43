import { assertEquals } from "@std/assert";
import { criteriaOf } from "../../src/profiles/criteria.ts";

const config = {
  engine: "vllm",
  metric: "latency",
  precision: "auto",
  generalFallback: true,
  acceleratorCount: "auto",
} as const;
const eight = { type: "gpu", source: "sysfs", model: "MI300X", count: 8, partitioned: false } as const;
const none = { ...eight, source: "none", model: null, count: 0 } as const;

Deno.test("detected accelerators are available, and an automatic count requests no specific number", () => {
  assertEquals(criteriaOf(config, eight, "org/model"), {
    criteria: {
      engine: "vllm",
      metric: "latency",
      model: "org/model",
      accelerator: {
        type: "gpu",
        model: "MI300X",
        available: 8,
        requested: null,
        partitioned: false,
        named: false,
      },
      precision: "auto",
      generalFallback: true,
    },
    warnings: [],
  });
});

Deno.test("a requested count is kept next to the detected one", () => {
  const { criteria } = criteriaOf({ ...config, acceleratorCount: 4 }, { ...eight, partitioned: true }, null);
  assertEquals(criteria.accelerator, {
    type: "gpu",
    model: "MI300X",
    available: 8,
    requested: 4,
    partitioned: true,
    named: false,
  });
  assertEquals(criteria.model, null);
});

Deno.test("a GPU model without a count means one GPU, with a warning; with a count, there is no warning", () => {
  const named = { ...eight, source: "override", model: "MI325X", count: 1 } as const;
  const without = criteriaOf(config, named, "a/b");
  assertEquals([without.criteria.accelerator?.available, without.criteria.accelerator?.requested], [1, 1]);
  assertEquals(without.warnings.length, 1);
  const asked = criteriaOf({ ...config, acceleratorCount: 2 }, { ...named, count: 2 }, "a/b");
  assertEquals([asked.criteria.accelerator?.available, asked.criteria.accelerator?.requested], [2, 2]);
  assertEquals(asked.warnings, []);
});

Deno.test("with a count of 0, zero GPUs are requested and the model is kept", () => {
  const zero = { ...eight, source: "override", model: "MI325X", count: 0 } as const;
  const { criteria } = criteriaOf({ ...config, acceleratorCount: 0 }, zero, "a/b");
  assertEquals([criteria.accelerator?.model, criteria.accelerator?.requested], ["MI325X", 0]);
});

Deno.test("without a visible or named GPU, there are no accelerator criteria", () => {
  assertEquals(criteriaOf(config, none, "a/b").criteria.accelerator, null);
});

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Criteria, Profile } from "../../src/profiles/types.ts";
import { judge } from "../../src/profiles/judge.ts";
import { profilesForAnyGpu, selectProfile } from "../../src/profiles/select_profile.ts";
import { guessInWords } from "../../src/serve/select_profile_for.ts";
import { makeCriteria, makeProfile } from "./make_profile.ts";

function noMatch(profiles: Profile[], criteria: Criteria, profileId: string | null = null) {
  const selection = selectProfile(judge(profiles, criteria), criteria, { profileId });
  if (selection.kind === "selected") throw new Error(`${selection.judged.profile.id} was selected`);
  assertEquals(selection.error.exitCode, 3);
  return selection.error.line;
}

Deno.test("AIM_PROFILE_ID selects by id, regardless of the criteria", () => {
  const profile = makeProfile({
    id: "general/x",
    aimId: null,
    metadata: {
      engine: "other",
      acceleratorModel: "MI250X",
      acceleratorCount: 8,
      metric: "throughput",
      manualSelectionOnly: true,
    },
  });
  const criteria = makeCriteria({ generalFallback: false, precision: "int4" });
  const judged = judge([profile], criteria);
  for (const profileId of ["general/x", "general/x.yaml", "/profiles/general/x.yaml"]) {
    const selection = selectProfile(judged, criteria, { profileId });
    assertEquals(selection.kind === "selected" && [selection.judged.profile.id, selection.by], [
      "general/x",
      "id",
    ]);
  }
});

Deno.test("an unknown AIM_PROFILE_ID exits with 3 and suggests the nearest spelling", () => {
  const line = noMatch(
    [makeProfile({ id: "vllm-mi300x-fp8-tp1-latency" }), makeProfile({ id: "vllm-mi325x-fp8-tp1-latency" })],
    makeCriteria(),
    "vllm-mi300x-fp8-tp1-latecny",
  );
  assertStringIncludes(line, '"vllm-mi300x-fp8-tp1-latecny" (AIM_PROFILE_ID)');
  assertStringIncludes(line, "did you mean vllm-mi300x-fp8-tp1-latency?");
  assertStringIncludes(noMatch([], makeCriteria(), "x"), "AIM_PROFILE_PATH");
});

Deno.test("if nothing fits, the error counts profiles by state", () => {
  const line = noMatch([
    makeProfile({ id: "a", metadata: { metric: "throughput" } }),
    makeProfile({ id: "b", metadata: { metric: "throughput" } }),
    makeProfile({ id: "c", metadata: { acceleratorModel: "MI325X" } }),
    makeProfile({ id: "d", metadata: { manualSelectionOnly: true } }),
  ], makeCriteria());
  assertStringIncludes(
    line,
    "2 metric_mismatch, 1 accelerator_mismatch, 1 compatible but not selected automatically",
  );
});

Deno.test("without profiles, the error reports that there are none", () => {
  assertStringIncludes(noMatch([], makeCriteria()), "there are no profiles");
});

const NEAREST: [string, Profile[], Criteria, string][] = [
  [
    "the metric",
    [makeProfile({ metadata: { metric: "throughput" } })],
    makeCriteria(),
    "it is tuned for throughput, not latency; set AIM_METRIC=throughput",
  ],
  [
    "the precision",
    [makeProfile({ metadata: { precision: "fp8" } })],
    makeCriteria({ precision: "fp16" }),
    "it has precision fp8, not fp16; set AIM_PRECISION=fp8",
  ],
  [
    "the requested count",
    [makeProfile({ metadata: { acceleratorCount: 2 } })],
    makeCriteria({ accelerator: { available: 4, requested: 4 } }),
    "it uses 2 GPUs; 4 requested; set AIM_ACCELERATOR_COUNT=2",
  ],
  [
    "a larger count, if the GPU is named and not detected",
    [makeProfile({ metadata: { acceleratorCount: 8 } })],
    makeCriteria({ accelerator: { available: 1, requested: 1, named: true } }),
    "it uses 8 GPUs; 1 requested; set AIM_ACCELERATOR_COUNT=8",
  ],
  [
    "manual selection",
    [makeProfile({ metadata: { manualSelectionOnly: true } })],
    makeCriteria(),
    "it is used only when named; set AIM_PROFILE_ID=p",
  ],
  [
    "the general fallback",
    [makeProfile({ aimId: null })],
    makeCriteria({ generalFallback: false }),
    "which is off; set AIM_ALLOW_GENERAL_PROFILE_FALLBACK=true",
  ],
  [
    "more GPUs than available",
    [makeProfile({ metadata: { acceleratorCount: 8 } })],
    makeCriteria({ accelerator: { available: 2 } }),
    "it needs 8 GPUs; this host has 2; no setting changes that",
  ],
  [
    "one change is nearer than two",
    [
      makeProfile({ id: "two", metadata: { metric: "throughput", precision: "fp8" } }),
      makeProfile({ id: "one", metadata: { metric: "throughput", precision: "fp16" } }),
    ],
    makeCriteria({ precision: "fp16" }),
    "nearest is one:",
  ],
  [
    "a setting is nearer than hardware",
    [
      makeProfile({ id: "hardware", metadata: { acceleratorModel: "MI325X" } }),
      makeProfile({ id: "setting", metadata: { metric: "throughput", precision: "fp8" } }),
    ],
    makeCriteria({ precision: "fp16" }),
    "set AIM_METRIC=throughput and AIM_PRECISION=fp8",
  ],
  [
    "a measured profile is nearer than an unmeasured one",
    [
      makeProfile({ id: "manual", metadata: { manualSelectionOnly: true } }),
      makeProfile({ id: "measured", metadata: { metric: "throughput" } }),
    ],
    makeCriteria(),
    "nearest is measured:",
  ],
];

for (const [what, profiles, criteria, expected] of NEAREST) {
  Deno.test(`the error for the nearest miss names the change that makes it fit: ${what}`, () => {
    assertStringIncludes(noMatch(profiles, criteria), expected);
  });
}

Deno.test("without a GPU, the best-ranked profile is used, and the message names the alternatives", () => {
  const profiles = [
    makeProfile({
      id: "a",
      modelId: "q/model-fp8",
      metadata: { precision: "fp8", acceleratorModel: "MI325X" },
    }),
    makeProfile({
      id: "b",
      modelId: "q/model-fp8",
      metadata: { precision: "fp8", acceleratorModel: "MI300X", type: "preview" },
    }),
    makeProfile({
      id: "c",
      modelId: "org/model",
      metadata: { precision: "fp16", acceleratorModel: "MI250X", acceleratorCount: 2 },
    }),
    makeProfile({
      id: "d",
      metadata: { precision: "int4", manualSelectionOnly: true, acceleratorModel: "MI355X" },
    }),
    makeProfile({ id: "e", metadata: { precision: "int4", metric: "throughput" } }),
  ];
  const judged = judge(profiles, makeCriteria({ accelerator: null }));
  const candidates = profilesForAnyGpu(judged, "auto");
  assertEquals(candidates.map(({ id }) => id), ["a", "b", "c"]);
  const [best = makeProfile()] = candidates;
  const words = guessInWords(best, candidates);
  assertStringIncludes(words, "using a for MI325X (also MI250X, MI300X);");
  assertStringIncludes(words, "would use org/model;");
  assertEquals(profilesForAnyGpu(judged, 2).map(({ id }) => id), ["c"]);
  assertEquals(profilesForAnyGpu(judged, 8), []);
});

Deno.test("profiles that differ only in the variant exit with 3, and the error lists their ids", () => {
  const profiles = [
    makeProfile({ id: "a", metadata: { variant: "usp1" } }),
    makeProfile({ id: "b", metadata: { type: "preview" } }),
    makeProfile({ id: "other-count", metadata: { acceleratorCount: 2, variant: "usp2" } }),
  ];
  const criteria = makeCriteria({ accelerator: { available: 1 } });
  const line = noMatch(profiles, criteria);
  assertStringIncludes(line, "equally: a, b;");
  assertStringIncludes(line, "AIM_PROFILE_ID");
  // Either can be selected by id, a custom profile outranks both, and without variants the first one wins.
  const pick = (list: Profile[], profileId: string | null) => {
    const selection = selectProfile(judge(list, criteria), criteria, { profileId });
    return selection.kind === "selected" ? selection.judged.profile.id : selection.kind;
  };
  assertEquals(pick(profiles, "b"), "b");
  assertEquals(pick([...profiles, makeProfile({ id: "custom/x", priority: 1 })], null), "custom/x");
  assertEquals(pick([makeProfile({ id: "c" }), makeProfile({ id: "d" })], null), "c");
});

Deno.test("an unoptimized profile is selected only if nothing else fits and AIM_ALLOW_UNOPTIMIZED is set", () => {
  const own = makeProfile({ id: "own", metadata: { type: "unoptimized", manualSelectionOnly: true } });
  const manual = makeProfile({ id: "manual", metadata: { manualSelectionOnly: true } });
  const general = makeProfile({ id: "general/g", aimId: null, modelId: null, priority: 3 });
  const pick = (list: Profile[], allowUnoptimized: boolean, generalFallback = true) => {
    const criteria = makeCriteria({ generalFallback });
    const selection = selectProfile(judge(list, criteria), criteria, { profileId: null, allowUnoptimized });
    return selection.kind === "selected"
      ? [selection.judged.profile.id, selection.by, selection.passedOver?.profile.id ?? null]
      : selection.kind;
  };
  assertEquals(pick([own, manual], false), "none");
  assertEquals(pick([own, manual], true), ["own", "unoptimized", null]);
  // A general profile takes precedence; the message mentions the model's own one.
  assertEquals(pick([own, general], true), ["general/g", "rank", "own"]);
  assertEquals(pick([own, general], false, false), "none");
  assertEquals(pick([own, general], true, false), ["own", "unoptimized", null]);
  const generalFp8 = makeProfile({
    ...general,
    metadata: { type: "unoptimized", manualSelectionOnly: true },
  });
  assertEquals(pick([generalFp8], true, false), "none");
  assertStringIncludes(noMatch([own], makeCriteria()), "AIM_ALLOW_UNOPTIMIZED=true");
});

Deno.test("a profile for the same GPU model is nearer than one for another", () => {
  const line = noMatch([
    makeProfile({ id: "other-model", metadata: { acceleratorModel: "MI325X" } }),
    makeProfile({ id: "more-gpus", metadata: { acceleratorCount: 8, metric: "throughput" } }),
  ], makeCriteria({ accelerator: { available: 1 } }));
  assertStringIncludes(line, "nearest is more-gpus:");
});

Deno.test("a CPU profile fits any core count, and a profile with a GPU count of 0 fits nothing", () => {
  const cpu = makeProfile({
    metadata: { acceleratorType: "cpu", acceleratorModel: "EPYC_9965", acceleratorCount: 188 },
  });
  const on = (requested: number | null) =>
    makeCriteria({ accelerator: { type: "cpu", model: "EPYC_9965", available: 16, requested } });
  for (const requested of [null, 16, 64]) assertEquals(judge([cpu], on(requested))[0]?.state, "compatible");
  const none = makeProfile({ metadata: { acceleratorCount: 0 } });
  for (const requested of [null, 0, 1]) {
    const criteria = makeCriteria({ accelerator: { available: 8, requested } });
    assertEquals(judge([none], criteria)[0]?.state, "accelerator_mismatch");
  }
});

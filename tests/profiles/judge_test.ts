import { assert, assertEquals } from "@std/assert";
import { compareProfiles, judge } from "../../src/profiles/judge.ts";
import { type Criteria, METRICS, PRECISIONS, type Profile, PROFILE_TYPES } from "../../src/profiles/types.ts";
import { selectProfile } from "../../src/profiles/select_profile.ts";
import { makeCriteria, makeProfile } from "./make_profile.ts";
import { Random } from "../values/random.ts";

const stateOf = (profile: Profile, criteria: Criteria) => judge([profile], criteria)[0]?.state;

Deno.test("the state is the first mismatch in the order engine, metric, model, GPU, precision", () => {
  const differences: [string, Partial<Profile["metadata"]>, Partial<Profile>][] = [
    ["engine_mismatch", { engine: "sglang" }, {}],
    ["metric_mismatch", { metric: "throughput" }, {}],
    ["model_mismatch", {}, { aimId: "org/other" }],
    ["accelerator_mismatch", { acceleratorModel: "MI325X" }, {}],
    ["precision_mismatch", { precision: "fp8" }, {}],
  ];
  const criteria = makeCriteria({ precision: "fp16" });
  assertEquals(stateOf(makeProfile(), criteria), "compatible");
  for (let from = 0; from < differences.length; from++) {
    const rest = differences.slice(from);
    const metadata = Object.assign({}, ...rest.map(([, part]) => part));
    const profile = makeProfile({ metadata, ...Object.assign({}, ...rest.map(([, , part]) => part)) });
    const judged = judge([profile], criteria)[0];
    assertEquals(judged?.state, rest[0]?.[0]);
    assertEquals(judged?.mismatches.map((mismatch) => mismatch.state), rest.map(([state]) => state));
  }
});

Deno.test("a GPU mismatch gives the model as the reason before the count", () => {
  const [judged] = judge(
    [makeProfile({ metadata: { acceleratorModel: "MI325X", acceleratorCount: 4 } })],
    makeCriteria({
      accelerator: { available: 1, requested: 1 },
    }),
  );
  assertEquals(judged?.reason, "needs MI325X; this host has MI300X");
});

Deno.test("a requested count must match exactly", () => {
  for (const count of [1, 2, 4, 8]) {
    for (const requested of [0, 1, 2, 3, 4, 8]) {
      const profile = makeProfile({ metadata: { acceleratorCount: count } });
      const state = stateOf(profile, makeCriteria({ accelerator: { available: 8, requested } }));
      assertEquals(
        state,
        count === requested ? "compatible" : "accelerator_mismatch",
        `${count} for ${requested}`,
      );
    }
  }
});

Deno.test("a requested count above the available one fits nothing", () => {
  const criteria = makeCriteria({ accelerator: { available: 2, requested: 4 } });
  assertEquals(stateOf(makeProfile({ metadata: { acceleratorCount: 4 } }), criteria), "accelerator_mismatch");
  assertEquals(stateOf(makeProfile({ metadata: { acceleratorCount: 2 } }), criteria), "accelerator_mismatch");
});

Deno.test("an automatic count selects the exact match, else the largest count below the available one", () => {
  const profiles = [1, 2, 4, 8].map((acceleratorCount) =>
    makeProfile({ id: `tp${acceleratorCount}`, metadata: { acceleratorCount } })
  );
  const expected: [number, string | null][] = [
    ...[[0, null], [1, "tp1"], [2, "tp2"], [3, "tp2"], [4, "tp4"]],
    ...[[5, "tp4"], [6, "tp4"], [7, "tp4"], [8, "tp8"], [16, "tp8"]],
  ] as [number, string | null][];
  for (const [available, id] of expected) {
    const criteria = makeCriteria({ accelerator: { available } });
    const selection = selectProfile(judge(profiles, criteria), criteria, { profileId: null });
    assertEquals(selection.kind === "selected" ? selection.judged.profile.id : null, id, `${available} GPUs`);
  }
});

Deno.test("a profile for unpartitioned GPUs does not fit partitions, and the reason explains it", () => {
  const [judged] = judge([makeProfile()], makeCriteria({ accelerator: { partitioned: true } }));
  assertEquals(judged?.state, "accelerator_mismatch");
  assert(judged?.reason.includes("unpartitioned MI300X GPUs"));
});

Deno.test("a general profile fits any model, even an unnamed one", () => {
  const general = makeProfile({ aimId: null, modelId: null, priority: 3 });
  assertEquals(stateOf(general, makeCriteria({ model: "any/other" })), "compatible");
  assertEquals(stateOf(general, makeCriteria({ model: null })), "compatible");
  assertEquals(stateOf(makeProfile(), makeCriteria({ model: null })), "model_mismatch");
});

Deno.test("without GPU criteria no profile is a GPU mismatch", () => {
  assertEquals(
    stateOf(
      makeProfile({ metadata: { acceleratorModel: "MI250X", acceleratorCount: 8 } }),
      makeCriteria({ accelerator: null }),
    ),
    "compatible",
  );
});

Deno.test("profiles rank by model-specific, exact count, priority, precision, type, larger count, id", () => {
  const of = (metadata: Partial<Profile["metadata"]>, id: string, priority: 1 | 2 = 2) =>
    makeProfile({ id, priority, metadata });
  const general = (acceleratorCount: number) =>
    makeProfile({
      id: `general/${acceleratorCount}`,
      priority: 3,
      aimId: null,
      metadata: { acceleratorCount },
    });
  const each = (counts: readonly number[]) =>
    PRECISIONS.flatMap((precision) =>
      PROFILE_TYPES.flatMap((type) =>
        counts.flatMap((acceleratorCount) =>
          ["a", "b"].map((tail) =>
            of({ precision, type, acceleratorCount }, `${precision}-${type}-${acceleratorCount}-${tail}`)
          )
        )
      )
    );
  const ranked: Profile[] = [
    of({ precision: "fp32", type: "general", acceleratorCount: 8 }, "custom/a", 1),
    ...each([8]),
    of({ precision: "fp32", type: "general", acceleratorCount: 4 }, "custom/b", 1),
    ...each([4, 1]),
    general(8),
    general(4),
  ];
  const judged = judge(new Random(1).shuffled(ranked), makeCriteria());
  assertEquals(judged.map((one) => one.profile.id), ranked.map((profile) => profile.id));
});

Deno.test("a manual profile, or a general one without the fallback, is compatible but never selected", () => {
  const general = makeProfile({ id: "general/g", aimId: null, modelId: null, priority: 3 });
  const manual = makeProfile({ id: "m", metadata: { manualSelectionOnly: true } });
  const pick = (profiles: Profile[], generalFallback: boolean) => {
    const criteria = makeCriteria({ generalFallback });
    const judged = judge(profiles, criteria);
    assertEquals(judged.map((one) => one.state), profiles.map(() => "compatible"));
    const selection = selectProfile(judged, criteria, { profileId: null });
    return selection.kind === "selected" ? selection.judged.profile.id : null;
  };
  assertEquals(pick([manual], true), null);
  assertEquals(pick([manual, general], true), "general/g");
  assertEquals(pick([manual, general], false), null);
});

// ---- properties of random sets of profiles and criteria

const random = new Random(20_240_601);
const GPU_NAMES = ["MI250X", "MI300X", "MI325X"];

function randomProfile(index: number): Profile {
  const general = random.next() < 0.3;
  return makeProfile({
    id: `p${index}`,
    priority: general ? random.pick([1, 3] as const) : random.pick([1, 2] as const),
    aimId: general ? null : random.next() < 0.9 ? "org/model" : "org/other",
    metadata: {
      engine: random.next() < 0.95 ? "vllm" : "sglang",
      acceleratorModel: random.pick(GPU_NAMES),
      precision: random.pick(PRECISIONS),
      acceleratorCount: random.pick([1, 2, 4, 8]),
      metric: random.pick(METRICS),
      type: random.pick(PROFILE_TYPES),
      manualSelectionOnly: random.next() < 0.3,
    },
  });
}

function randomCriteria(): Criteria {
  const available = random.below(9);
  return makeCriteria({
    metric: random.pick(METRICS),
    precision: random.next() < 0.5 ? "auto" : random.pick(PRECISIONS),
    generalFallback: random.next() < 0.7,
    accelerator: random.next() < 0.1 ? null : {
      model: random.pick(GPU_NAMES),
      available,
      requested: random.next() < 0.5 ? null : random.below(9),
      partitioned: random.next() < 0.05,
      named: false,
    },
  });
}

const SETS = Array.from({ length: 300 }, () => ({
  profiles: Array.from({ length: random.below(40) }, (_, index) => randomProfile(index)),
  criteria: randomCriteria(),
}));

Deno.test("the order of profiles is total: antisymmetric, transitive, and no two profiles are equal", () => {
  for (const { profiles, criteria } of SETS) {
    const available = criteria.accelerator?.available ?? null;
    const [a, b, c] = [random, random, random].map((r) => profiles.length === 0 ? null : r.pick(profiles));
    if (!a || !b || !c) continue;
    const sign = (x: Profile, y: Profile) => Math.sign(compareProfiles(x, y, available));
    assertEquals(sign(a, b), -sign(b, a) + 0);
    assertEquals(sign(a, b) === 0, a === b);
    if (sign(a, b) <= 0 && sign(b, c) <= 0) assert(sign(a, c) <= 0);
  }
});

Deno.test("the result does not depend on the order in which files are found", () => {
  for (const { profiles, criteria } of SETS) {
    const ids = (list: readonly Profile[]) =>
      judge(list, criteria).map((one) => `${one.profile.id} ${one.state}`);
    assertEquals(ids(random.shuffled(profiles)), ids(profiles));
  }
});

Deno.test("the best eligible profile is always selected, and never one that is not eligible", () => {
  let selected = 0;
  for (const { profiles, criteria } of SETS) {
    const selection = selectProfile(judge(profiles, criteria), criteria, { profileId: null });
    const eligible = profiles.filter((profile) => fits(profile, criteria));
    if (selection.kind !== "selected") {
      assertEquals(eligible.map((profile) => profile.id), []);
      continue;
    }
    selected++;
    const best = selection.judged.profile;
    assert(eligible.includes(best));
    for (const other of eligible) {
      assert(keyOf(best, criteria) <= keyOf(other, criteria), `${best.id} over ${other.id}`);
    }
  }
  assert(selected > 30, `only ${selected} sets had something to select`);
});

/** An independent implementation of the rules: whether a profile may be selected. */
function fits(
  { metadata, aimId }: Profile,
  { engine, metric, model, accelerator: gpu, precision, generalFallback }: Criteria,
): boolean {
  if (metadata.manualSelectionOnly) return false;
  if ((aimId === null || metadata.type === "general") && !generalFallback) return false;
  if (metadata.engine !== engine || metadata.metric !== metric) return false;
  if (aimId !== null && aimId !== model) return false;
  if (precision !== "auto" && metadata.precision !== precision) return false;
  if (gpu === null) return true;
  if (
    gpu.partitioned || metadata.acceleratorModel !== gpu.model || metadata.acceleratorCount > gpu.available
  ) return false;
  return gpu.requested === null || gpu.requested === metadata.acceleratorCount;
}

/** An independent implementation of the order: keys that sort like the profiles. */
function keyOf({ metadata, priority, id }: Profile, { accelerator: gpu }: Criteria): string {
  const all = gpu === null || gpu.requested !== null || metadata.acceleratorCount === gpu.available;
  const two = (n: number) => String(n).padStart(2, "0");
  const precision = ["int4", "int8", "fp4", "fp8", "fp16", "bf16", "fp32"].indexOf(metadata.precision);
  const type = ["optimized", "preview", "unoptimized", "general"].indexOf(metadata.type);
  return [priority === 3, !all, priority, precision, type, two(50 - metadata.acceleratorCount), id].join(" ");
}

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { judge } from "../../src/profiles/judge.ts";
import { loadProfiles } from "../../src/profiles/load_profiles.ts";
import { selectProfile } from "../../src/profiles/select_profile.ts";
import { METRICS, PRECISIONS, type Profile, PROFILE_TYPES } from "../../src/profiles/types.ts";
import { validateProfileFiles } from "../../src/profiles/validate_profile_files.ts";
import { makeCriteria } from "./make_profile.ts";
import { referenceModels, referenceProfiles } from "./reference.ts";

const [OLD, NEW] = [referenceProfiles("0.9"), referenceProfiles("2026")];
const missing = OLD === null || NEW === null ? " (skipped: AMD's published profiles are not here)" : "";
const FOLDERS = missing !== ""
  ? []
  : [OLD ?? "", ...["old-names", "both-names", "new-names"].map((name) => join(NEW ?? "", name))];

const HARDWARE: readonly (readonly ["gpu" | "cpu", string, number])[] = [
  ["gpu", "MI300X", 8],
  ["gpu", "MI325X", 8],
  ["gpu", "MI355X", 8],
  ["gpu", "R9700", 4],
  ["gpu", "W7900", 1],
  ["cpu", "EPYC_9965", 384],
  ["cpu", "CPU", 16],
];

/** Every published model with every metric, and the engine of the model's own profiles. */
async function* combinations() {
  for (const root of FOLDERS) {
    for (const model of referenceModels(root)) {
      const { profiles, faults } = await loadProfiles({ profilePath: root, embeddedProfiles: false }, model);
      assertEquals(faults, []);
      const own = profiles.find((profile) => profile.aimId === model);
      const engine = own?.metadata.engine ?? "vllm";
      const folder = root.split("/").at(-1) ?? "";
      for (const metric of METRICS) yield { folder, model, engine, metric, profiles };
    }
  }
}

function selected(
  profiles: readonly Profile[],
  wanted: { model: string; engine: string; metric: Profile["metadata"]["metric"] },
  [type, model, available]: (typeof HARDWARE)[number],
): Profile | null {
  const criteria = makeCriteria({ ...wanted, accelerator: { type, model, available } });
  const selection = selectProfile(judge(profiles, criteria), criteria, { profileId: null });
  return selection.kind === "selected" ? selection.judged.profile : null;
}

Deno.test({
  name: `all published profiles of three generations are valid, two with a warning${missing}`,
  ignore: missing !== "",
  fn: async () => {
    const { files, faults, warnings } = await validateProfileFiles(FOLDERS);
    assertEquals([files, faults], [232, []]);
    assertEquals(warnings.map((one) => one.path.split("/").at(-1)), [
      "vllm-epyc9965-fp16-1cpu-latency.yaml",
      "vllm-w7900-bf16-tp1-latency.yaml",
    ]);
  },
});

const TABLE = new URL("fixtures/selected.txt", import.meta.url);

Deno.test({
  name: `the profiles selected from the published folders on each accelerator match the table${missing}`,
  ignore: missing !== "",
  fn: async () => {
    const blocks: string[] = [];
    for await (const { folder, model, engine, metric, profiles } of combinations()) {
      const found = HARDWARE.flatMap((hardware) => {
        const profile = selected(profiles, { model, engine, metric }, hardware);
        return profile === null ? [] : [`  ${hardware[2]} x ${hardware[1]}: ${profile.id}\n`];
      });
      blocks.push(`${folder}: ${model}, ${engine}, ${metric}\n${found.join("") || "  nothing\n"}`);
    }
    const text = blocks.join("");
    if (Deno.env.get("AIM_TEST_WRITE") === "1") await Deno.writeTextFile(TABLE, text);
    assertEquals(text.split("\n"), (await Deno.readTextFile(TABLE)).split("\n"));
  },
});

/** The best profiles by AMD's rules: the exact count, then priority, precision and type. */
function byAmdsRules(
  profiles: readonly Profile[],
  wanted: { model: string; engine: string; metric: Profile["metadata"]["metric"] },
  [type, model, available]: (typeof HARDWARE)[number],
): Profile[] {
  const rank = ({ priority, metadata: { precision, type } }: Profile) =>
    priority * 100 + PRECISIONS.indexOf(precision) * 10 + PROFILE_TYPES.indexOf(type);
  const fit = profiles.filter(({ aimId, metadata }) =>
    metadata.engine === wanted.engine && metadata.metric === wanted.metric &&
    (aimId === null || aimId === wanted.model) && metadata.acceleratorModel === model &&
    (type === "cpu" || metadata.acceleratorCount === available) && !metadata.manualSelectionOnly
  );
  const best = Math.min(...fit.map(rank));
  return fit.filter((profile) => rank(profile) === best);
}

Deno.test({
  name:
    `aim selects the same profile as AMD's rules, or a model-specific one with fewer GPUs instead of a general one${missing}`,
  ignore: missing !== "",
  fn: async () => {
    let [own, general] = [0, 0];
    for await (const { model, engine, metric, profiles } of combinations()) {
      for (const [type, name] of HARDWARE) {
        for (const available of [1, 2, 4, 8]) {
          const hardware = [type, name, available] as const;
          const amds = byAmdsRules(profiles, { model, engine, metric }, hardware);
          const ours = selected(profiles, { model, engine, metric }, hardware);
          if (amds.length === 0) continue;
          assert(ours !== null, `${model} on ${hardware}`);
          // Where AMD's rules select a general profile, aim prefers a model-specific one with fewer GPUs.
          const fewer = amds[0]?.aimId === null && ours.aimId === model &&
            ours.metadata.acceleratorCount < available;
          if (!fewer) {
            assert(
              amds.includes(ours),
              `${ours.id}, not ${amds.map((one) => one.id)} on ${hardware}`,
            );
          }
          if (amds[0]?.aimId === null) general++;
          else own++;
        }
      }
    }
    assert(own > 50 && general > 100, `${own} own, ${general} general`);
  },
});

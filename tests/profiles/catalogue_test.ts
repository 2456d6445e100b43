import { assert, assertEquals } from "@std/assert";
import { join, relative } from "@std/path";
import { drift } from "../../profiles/generate.ts";
import { MODELS } from "../../profiles/catalogue.ts";
import { EMBEDDED_ROOT, loadProfiles } from "../../src/profiles/load_profiles.ts";
import { judge } from "../../src/profiles/judge.ts";
import { engineArgsOf, envVarsOf } from "../../src/profiles/profile_content.ts";
import type { Profile } from "../../src/profiles/types.ts";
import { selectProfile } from "../../src/profiles/select_profile.ts";
import { validateProfileFiles } from "../../src/profiles/validate_profile_files.ts";
import { VersionTable } from "../../src/engine/engine_table.ts";
import { parseVersion } from "../../src/engine/engine_version.ts";
import { readPlainYaml } from "../../src/values/read_plain_yaml.ts";
import { makeCriteria } from "./make_profile.ts";
import { referenceModels, referenceProfiles } from "./reference.ts";

const root = EMBEDDED_ROOT;

async function embedded(model: string | null): Promise<Profile[]> {
  const { profiles, faults } = await loadProfiles(
    { profilePath: "/nonexistent", embeddedProfiles: true },
    model,
  );
  assertEquals(faults, []);
  return [...profiles];
}

Deno.test("every generated file matches its generator's output", async () => {
  assertEquals(await drift(), []);
});

Deno.test("every profile of the catalogue is valid, including AMD's style rules", async () => {
  const { files, faults } = await validateProfileFiles([root], true);
  assert(files > 500);
  assertEquals(faults, []);
});

Deno.test("no profile of the catalogue needs the YAML library, which is slow to load", async () => {
  const odd: string[] = [];
  for (const aimId of [null, ...MODELS.map((model) => model.aimId)]) {
    for (const { path } of await embedded(aimId)) {
      const file = path.replace("embedded:", "");
      if (readPlainYaml(Deno.readTextFileSync(join(root, file))) === null) odd.push(file);
    }
  }
  assertEquals(odd, []);
});

Deno.test("every profile of the catalogue is in its model's folder and refers to the schema", async () => {
  let found = 0;
  for (const { aimId } of MODELS) {
    for (const profile of await embedded(aimId)) {
      const path = profile.path.replace("embedded:", "");
      if (profile.priority === 2) assertEquals(profile.aimId, aimId);
      const [first = ""] = Deno.readTextFileSync(join(root, path)).split("\n");
      const schema = /\$schema=(.*)$/.exec(first)?.[1] ?? "";
      const target = join(root, path, "..", schema);
      assertEquals(relative(root, target), "schemas/profile.schema.json");
      found++;
    }
  }
  assert(found > 500);
});

Deno.test("unmeasured profiles are used only when named", async () => {
  for (const { aimId } of MODELS) {
    for (const { id, metadata, priority } of await embedded(aimId)) {
      if (priority === 3) assertEquals([id, metadata.type === "unoptimized"], [id, id.includes("-fp8-")]);
      else {
        const measured = metadata.type === "optimized" || metadata.type === "preview";
        assertEquals([id, metadata.manualSelectionOnly], [id, !measured]);
      }
    }
  }
});

Deno.test("tensor parallelism equals the GPU count", async () => {
  for (const { aimId } of MODELS) {
    for (const profile of await embedded(aimId)) {
      const { id, metadata } = profile;
      if (metadata.acceleratorType === "cpu") continue;
      const size = engineArgsOf(profile).get("tensor-parallel-size");
      assertEquals([id, JSON.stringify(size)], [
        id,
        JSON.stringify({ value: metadata.acceleratorCount, text: `${metadata.acceleratorCount}` }),
      ]);
    }
  }
});

Deno.test("any model gets a general fp16 profile on each GPU and count, never a quantising one", async () => {
  const profiles = await embedded("any/other");
  for (const model of ["MI250X", "MI300X", "MI325X", "MI350X", "MI355X"]) {
    for (const count of [1, 2, 4, 8]) {
      for (const metric of ["latency", "throughput"] as const) {
        const criteria = makeCriteria({
          model: "any/other",
          metric,
          accelerator: { model, available: count, requested: count },
        });
        const selection = selectProfile(judge(profiles, criteria), criteria, { profileId: null });
        assertEquals(
          selection.kind === "selected" ? selection.judged.profile.id : selection.kind,
          `general/vllm-${model.toLowerCase()}-fp16-tp${count}-${metric}`,
        );
      }
    }
  }
});

Deno.test("Llama 3.1 8B on one MI300X uses the quantised variant, and with fp16 its own repository", async () => {
  const aimId = "meta-llama/Llama-3.1-8B-Instruct";
  const profiles = await embedded(aimId);
  for (const metric of ["latency", "throughput"] as const) {
    for (
      const [precision, modelId] of [["auto", "amd/Llama-3.1-8B-Instruct-FP8-KV"], ["fp16", aimId]] as const
    ) {
      const criteria = makeCriteria({
        model: aimId,
        metric,
        precision,
        accelerator: { available: 1, requested: 1 },
      });
      const selection = selectProfile(judge(profiles, criteria), criteria, { profileId: null });
      assertEquals(selection.kind === "selected" && selection.judged.profile.modelId, modelId);
    }
  }
});

/**
 * Options and variables in the published profiles that vLLM 0.27 lacks or that its V1 engine refuses.
 */
const GONE = [
  ...["swap-space", "max-seq-len-to-capture", "no-enable-chunked-prefill"],
  ...["VLLM_USE_V1", "VLLM_USE_TRITON_FLASH_ATTN", "VLLM_V1_USE_PREFILL_DECODE_ATTENTION"],
];
const RENAMED: Readonly<Record<string, string>> = {
  VLLM_USE_AITER_TRITON_ROPE: "VLLM_ROCM_USE_AITER_TRITON_ROPE",
};

Deno.test("the images' vLLM knows every option and variable of the catalogue", async () => {
  const vllm = new VersionTable(parseVersion("0.27.1"));
  for (const { aimId } of MODELS) {
    for (const profile of await embedded(aimId)) {
      for (const name of engineArgsOf(profile).keys()) {
        assert(vllm.ranges("options", name).length > 0, `${profile.id}: ${name}`);
      }
      for (const name of [...envVarsOf(profile).keys()].filter((one) => one.startsWith("VLLM_"))) {
        assert(vllm.ranges("variables", name).length > 0, `${profile.id}: ${name}`);
      }
    }
  }
});

const unpublished = referenceProfiles() === null;

Deno.test({
  name: "exactly the profiles published as measured are marked as measured, with the published settings" +
    (unpublished ? " (skipped: AMD's published profiles are not here)" : ""),
  ignore: unpublished,
  fn: async () => {
    const reference = referenceProfiles() ?? "";
    const claim = ({ modelId, metadata: m }: Profile) =>
      `${modelId} ${m.acceleratorModel} ${m.precision} tp${m.acceleratorCount} ${m.metric}`;
    const published = new Map<string, Profile>();
    for (const model of referenceModels(reference)) {
      const { profiles } = await loadProfiles({ profilePath: reference, embeddedProfiles: false }, model);
      for (const profile of profiles) published.set(claim(profile), profile);
    }
    let measured = 0;
    for (const { aimId } of MODELS) {
      for (const profile of await embedded(aimId)) {
        const same = published.get(claim(profile));
        if (profile.metadata.manualSelectionOnly || profile.priority === 3) continue;
        measured++;
        assertEquals([profile.id, same?.metadata.type], [profile.id, profile.metadata.type]);
        // A measurement is valid only for its settings.
        const settings = (of: Profile | undefined) =>
          [...(of ? engineArgsOf(of) : [])].filter(([name]) => !GONE.includes(name)).map(([name, value]) =>
            `${name.replaceAll("_", "-")}=${
              JSON.stringify(
                value instanceof Map ? [...value] : value,
              )
            }`
          ).sort();
        assertEquals(settings(profile), settings(same), profile.id);
        const env = (of: Profile | undefined) =>
          Object.fromEntries(
            [...(of ? envVarsOf(of) : [])].filter(([name]) => !GONE.includes(name))
              .map(([name, value]) => [RENAMED[name] ?? name, value]).sort(),
          );
        assertEquals(env(profile), env(same), profile.id);
      }
    }
    const all = [...published.values()].filter((p) => ["optimized", "preview"].includes(p.metadata.type));
    assertEquals(measured, all.length);
  },
});

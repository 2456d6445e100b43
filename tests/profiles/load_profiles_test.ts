import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { EMBEDDED_ROOT, IS_BUNDLED, loadProfiles } from "../../src/profiles/load_profiles.ts";
import { envVarsOf } from "../../src/profiles/profile_content.ts";
import { mutated, SEEDS } from "../values/mutate.ts";
import { Random } from "../values/random.ts";

const [MODEL_PROFILE = "", GENERAL_PROFILE = ""] = SEEDS;

/** Runs a test with a temporary folder of files, given by path and content. */
async function withFiles(files: Record<string, string | Uint8Array>, test: (root: string) => Promise<void>) {
  const root = await Deno.makeTempDir({ prefix: "aim-profiles-" });
  try {
    for (const [path, content] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(root, path)), { recursive: true });
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(join(root, path), bytes);
    }
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const originOf = ({ path }: { readonly path: string }) => path.startsWith("embedded:") ? "embedded" : "disk";

interface Options {
  readonly profilePath: string;
  readonly embedded?: boolean;
  readonly model?: string | null;
  readonly embeddedPath?: string;
}

async function load({ profilePath, embedded = false, model = "org/model", embeddedPath }: Options) {
  const config = { profilePath, embeddedProfiles: embedded };
  const { profiles, faults } = await loadProfiles(config, model, embeddedPath);
  return { ids: profiles.map((profile) => profile.id).sort(), profiles, faults };
}

Deno.test("a profile's id and priority follow from its path", async () => {
  await withFiles({
    "custom/org/model/a.yaml": MODEL_PROFILE,
    "custom/general/b.yaml": GENERAL_PROFILE,
    "custom/team/e.yaml": MODEL_PROFILE,
    "org/model/c.yaml": MODEL_PROFILE,
    "org/model/deeper/f.yaml": MODEL_PROFILE,
    "general/d.yml": GENERAL_PROFILE,
  }, async (root) => {
    const { profiles } = await load({ profilePath: root });
    assertEquals(profiles.map((p) => [p.id, p.priority, p.path.slice(root.length)]), [
      ["custom/general/b", 1, "/custom/general/b.yaml"],
      ["custom/org/model/a", 1, "/custom/org/model/a.yaml"],
      ["custom/org/model/e", 1, "/custom/team/e.yaml"],
      ["c", 2, "/org/model/c.yaml"],
      ["f", 2, "/org/model/deeper/f.yaml"],
      ["general/d", 3, "/general/d.yml"],
    ]);
  });
});

Deno.test("a profile on disk shadows only the embedded profile with the same id", async () => {
  await withFiles({
    "disk/org/model/a.yaml": MODEL_PROFILE.replace("model-FP8", "disk"),
    "disk/general/g.yaml": GENERAL_PROFILE,
    "embedded/org/model/a.yaml": MODEL_PROFILE.replace("model-FP8", "embedded"),
    "embedded/org/model/b.yaml": MODEL_PROFILE,
    "embedded/general/g.yaml": GENERAL_PROFILE,
    "embedded/general/h.yaml": GENERAL_PROFILE,
    "embedded/custom/org/model/x.yaml": MODEL_PROFILE,
  }, async (root) => {
    const { profiles } = await load({
      profilePath: join(root, "disk"),
      embedded: true,
      embeddedPath: join(root, "embedded"),
    });
    assertEquals(profiles.map((p) => [p.id, originOf(p), p.modelId]), [
      ["a", "disk", "other/disk"],
      ["b", "embedded", "other/model-FP8"],
      ["general/g", "disk", null],
      ["general/h", "embedded", null],
    ]);
    assertEquals(profiles[1]?.path, "embedded:org/model/b.yaml");
    const alone = await load({ profilePath: join(root, "disk"), embeddedPath: join(root, "embedded") });
    assertEquals(alone.ids, ["a", "general/g"]);
  });
});

Deno.test("an invalid file shadows nothing", async () => {
  await withFiles({
    "disk/org/model/a.yaml": "metadata: [",
    "embedded/org/model/a.yaml": MODEL_PROFILE,
  }, async (root) => {
    const { profiles, faults } = await load({
      profilePath: join(root, "disk"),
      embedded: true,
      embeddedPath: join(root, "embedded"),
    });
    assertEquals(profiles.map((p) => [p.id, originOf(p)]), [["a", "embedded"]]);
    assert(faults.length > 0);
  });
});

Deno.test("only the folders of the search path are read", async () => {
  const broken = "no: [profile";
  await withFiles({
    "org/model/a.yaml": MODEL_PROFILE,
    "org/model/.hidden.yaml": broken,
    "org/model/notes.txt": broken,
    "org/model/a.yaml~": broken,
    "org/other/b.yaml": broken,
    "other/model/b.yaml": broken,
    "b.yaml": broken,
  }, async (root) => {
    const { ids, faults } = await load({ profilePath: root });
    assertEquals(ids, ["a"]);
    assertEquals(faults, []);
  });
});

Deno.test("a model name cannot escape the folder or reach a reserved one", async () => {
  await withFiles({
    "profiles/general/g.yaml": GENERAL_PROFILE,
    "profiles/custom/general/c.yaml": GENERAL_PROFILE,
    "profiles/org/m.yaml": MODEL_PROFILE,
    "outside/x/a.yaml": MODEL_PROFILE,
  }, async (root) => {
    for (
      const model of [
        ...["../outside/x", "org/../../outside/x", "/outside/x", "..", ".", "", "/", "org", "org/", "org//m"],
        ...["general/x", "custom/general", "custom/org", "schemas/x", "org/.hidden", "a\0b/c", "a\\b/c"],
      ]
    ) {
      const { ids, faults } = await load({ profilePath: join(root, "profiles"), model });
      assertEquals(ids, ["custom/general/c", "general/g"], model);
      assertEquals(faults, [], model);
    }
  });
});

Deno.test("without a model only custom and general profiles are candidates", async () => {
  await withFiles({
    "custom/org/model/a.yaml": MODEL_PROFILE,
    "custom/general/b.yaml": GENERAL_PROFILE,
    "org/model/c.yaml": MODEL_PROFILE,
    "general/d.yaml": GENERAL_PROFILE,
  }, async (root) => {
    const { ids } = await load({ profilePath: root, model: null });
    assertEquals(ids, ["custom/general/b", "custom/org/model/a", "general/d"]);
  });
});

Deno.test("a profile path that is missing or a file has no profiles", async () => {
  await withFiles({ "file": "x" }, async (root) => {
    for (const profilePath of [join(root, "missing"), join(root, "file")]) {
      const { ids, faults } = await load({ profilePath });
      assertEquals([ids, faults], [[], []]);
    }
  });
});

Deno.test("profiles are found through symlinks, as in a mounted Kubernetes ConfigMap", async () => {
  await withFiles({ "..2024_01_01/a.yaml": MODEL_PROFILE }, async (root) => {
    const folder = join(root, "org/model");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.symlink(join(root, "..2024_01_01"), join(folder, "..data"));
    await Deno.symlink("..data/a.yaml", join(folder, "a.yaml"));
    await Deno.symlink("..data/gone.yaml", join(folder, "gone.yaml"));
    const { ids, faults } = await load({ profilePath: root });
    assertEquals(ids, ["a"]);
    assertEquals(faults.map((fault) => fault.path), [join(folder, "gone.yaml")]);
  });
});

Deno.test("a file reachable through several symlinks is read once, and a symlink to a parent folder does not loop", async () => {
  await withFiles(
    { "outside/a.yaml": MODEL_PROFILE.replace("precision: fp8", "precision: fp9") },
    async (root) => {
      await Deno.mkdir(join(root, "custom/acme"), { recursive: true });
      await Deno.symlink(join(root, "outside"), join(root, "custom/acme/base"));
      await Deno.symlink(join(root, "outside"), join(root, "custom/acme/copy"));
      await Deno.symlink(join(root, "outside/a.yaml"), join(root, "custom/acme/one.yaml"));
      await Deno.symlink(join(root, "custom"), join(root, "custom/acme/loop"));
      const { faults } = await load({ profilePath: root });
      assertEquals(faults.map((fault) => fault.path), [join(root, "custom/acme/base/a.yaml")]);
    },
  );
});

Deno.test("an invalid file is reported with file, line, column and reason, and the others are loaded", async () => {
  await withFiles({
    "org/model/good.yaml": MODEL_PROFILE,
    "org/model/count.yaml": MODEL_PROFILE.replace("gpu_count: 1", "gpu_count: one"),
    "org/model/precision.yaml": MODEL_PROFILE.replace("precision: fp8", "precision: fp9"),
    "org/model/missing.yaml": MODEL_PROFILE.replace("  metric: latency\n", ""),
    "org/model/name.yaml": MODEL_PROFILE.replace("GPU_ARCHS:", "GPU-ARCHS:"),
    "org/model/null.yaml": MODEL_PROFILE.replace("GPU_ARCHS: gfx942", "GPU_ARCHS:"),
    "org/model/syntax.yaml": MODEL_PROFILE.replace("  gpu: MI300X", " gpu: MI300X"),
    "org/model/utf8.yaml": new Uint8Array([...new TextEncoder().encode("aim_id: x\nmodel_id: "), 0xff, 0xfe]),
    "org/model/large.yaml": `${MODEL_PROFILE}# ${"x".repeat(300_000)}\n`,
  }, async (root) => {
    const { ids, faults } = await load({ profilePath: root });
    assertEquals(ids, ["good"]);
    const at = (name: string) =>
      faults.filter((fault) => fault.path.endsWith(name)).map((f) => `${f.line}:${f.column}: ${f.reason}`);
    assertEquals(at("/count.yaml"), ['7:14: metadata.gpu_count is "one"; it must be a whole number']);
    assertStringIncludes(
      at("/precision.yaml").join(),
      '10:14: metadata.precision is "fp9"; it must be one of int4',
    );
    assertEquals(at("/missing.yaml"), ["4:1: metadata lacks metric"]);
    assertEquals(at("/name.yaml"), [
      '21:3: env_vars has "GPU-ARCHS", which is not a valid environment variable name',
    ]);
    assertEquals(at("/null.yaml"), [
      "21:13: env_vars.GPU_ARCHS is null; it must be text or a number or true or false",
    ]);
    assertStringIncludes(at("/syntax.yaml").join(), "6:");
    assertEquals(at("/utf8.yaml"), ["2:11: the file is not UTF-8"]);
    assertStringIncludes(at("/large.yaml").join(), "1:1: cannot be read: it has more than");
  });
});

Deno.test("environment values that are not text are converted like Python's str()", async () => {
  const env =
    "env_vars:\n  A: 1\n  B: 0.50\n  C: yes\n  D: off\n  E: '010'\n  F: 0x10\n  G: 1.0e+3\n  H: ''\n";
  await withFiles({
    "org/model/a.yaml": MODEL_PROFILE.replace(/env_vars:[^]*/, env),
    "org/model/b.yaml": MODEL_PROFILE.replace(/env_vars:[^]*/, ""),
    "org/model/c.yaml": MODEL_PROFILE.replace(/env_vars:[^]*/, "env_vars:\n"),
  }, async (root) => {
    const { profiles, faults } = await load({ profilePath: root });
    assertEquals(faults, []);
    const expected = { A: "1", B: "0.50", C: "True", D: "False", E: "010", F: "16", G: "1.0e+3", H: "" };
    assertEquals(profiles.map((one) => Object.fromEntries(envVarsOf(one))), [expected, {}, {}]);
  });
});

Deno.test("vLLM's argument rules do not apply to other engines", async () => {
  await withFiles({
    "org/model/a.yaml": MODEL_PROFILE.replace("engine: vllm", "engine: sglang").replace("32768", "many"),
  }, async (root) => assertEquals((await load({ profilePath: root })).ids, ["a"]));
});

Deno.test("each of 2,000 damaged profiles is loaded or reported with position and reason, and none stops the others", async () => {
  const random = new Random(42);
  const files: Record<string, string> = { "org/model/whole.yaml": MODEL_PROFILE };
  for (let index = 0; index < 2000; index++) {
    const [seed, folder] = random.next() < 0.7 ? [MODEL_PROFILE, "org/model"] : [GENERAL_PROFILE, "general"];
    files[`${folder}/m${index}.yaml`] = mutated(seed, random);
  }
  await withFiles(files, async (root) => {
    const { profiles, faults } = await load({ profilePath: root });
    const loaded = new Set(profiles.map((profile) => profile.path));
    const named = new Set(faults.map((fault) => fault.path));
    for (const path of Object.keys(files).map((name) => join(root, name))) {
      assert(loaded.has(path) !== named.has(path), `${path} is ${loaded.has(path) ? "both" : "neither"}`);
    }
    for (const { path, line, column, reason } of faults) {
      const lines = (files[path.slice(root.length + 1)] ?? "").split(/\r\n?|\n/).length;
      assert(line >= 1 && line <= lines + 1 && column >= 1, `${path}:${line}:${column} of ${lines}`);
      assert(reason.length > 10 && !/[\n\r]/.test(reason), JSON.stringify(reason));
    }
    assert(loaded.has(join(root, "org/model/whole.yaml")));
    assert(named.size > 800 && loaded.size > 100, `${named.size} bad, ${loaded.size} good`);
  });
});

Deno.test("run from source, the embedded profiles are those of the source tree", () => {
  assertEquals(IS_BUNDLED, false);
  assert(Deno.statSync(join(EMBEDDED_ROOT, "schemas/profile.schema.json")).isFile);
});

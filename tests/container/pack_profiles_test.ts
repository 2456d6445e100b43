import { assert, assertEquals, assertRejects } from "@std/assert";
import { packProfiles } from "../../container/packaging/pack_profiles.ts";
import { loadProfiles, PACK } from "../../src/profiles/load_profiles.ts";
import { type PackedProfile, unpackProfile } from "../../src/profiles/profile_content.ts";
import { SEEDS } from "../values/mutate.ts";

const SOURCE = new URL("../../profiles", import.meta.url).pathname;

Deno.test("a packed profile equals its YAML file", async () => {
  const folder = await Deno.makeTempDir({ prefix: "aim-pack-" });
  try {
    await packProfiles(SOURCE, folder);
    const models = [...packsBelow(folder)];
    assert(models.length > 1);
    for (const model of models) {
      const packs = Object.values<PackedProfile>(
        JSON.parse(Deno.readTextFileSync(`${folder}/${model}/${PACK}`)),
      );
      const { profiles } = await loadProfiles({ profilePath: SOURCE, embeddedProfiles: false }, model);
      const own = profiles.filter(({ priority }) => priority === (model === "general" ? 3 : 2));
      assertEquals(packs.length, own.length, model);
      for (const [at, profile] of own.entries()) {
        const pack = packs[at];
        assert(pack !== undefined);
        const { id, path, priority } = profile;
        assertEquals(
          { ...unpackProfile(pack, { path, priority, kind: "either", id }) },
          profile,
        );
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an invalid profile, or one that the executable could not read, fails the build", async () => {
  const [, general = ""] = SEEDS;
  const wrong = {
    "no precision": general.replace(/^ *precision:.*\n/m, ""),
    "an anchor": general.replace("engine_args:", "engine_args: &anchor"),
  };
  for (const text of Object.values(wrong)) {
    const folder = await Deno.makeTempDir({ prefix: "aim-pack-" });
    try {
      await Deno.mkdir(`${folder}/in/general`, { recursive: true });
      await Deno.writeTextFile(`${folder}/in/general/a.yaml`, text);
      await assertRejects(() => packProfiles(`${folder}/in`, `${folder}/out`), Error, "general/a.yaml");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
});

/** Folders with a pack, below a root. */
function* packsBelow(root: string, folder = ""): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${root}/${folder}`)) {
    if (isDirectory) yield* packsBelow(root, folder === "" ? name : `${folder}/${name}`);
    else if (name === PACK) yield folder;
  }
}

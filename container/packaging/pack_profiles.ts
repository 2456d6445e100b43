import { join } from "@std/path";
import { loadProfiles, PACK } from "../../src/profiles/load_profiles.ts";
import type { PackedProfile } from "../../src/profiles/profile_content.ts";
import { readPlainYaml } from "../../src/values/read_plain_yaml.ts";

/**
 * Copies the schemas and packs each folder's profiles into one file: opening a hundred files at each start
 * would be slow.
 *
 * @throws {Error} If a profile is invalid, or uses YAML that the executable does not read.
 */
export async function packProfiles(from: string, to: string): Promise<void> {
  await pack(from, to, "");
}

async function pack(from: string, to: string, folder: string): Promise<void> {
  Deno.mkdirSync(join(to, folder), { recursive: true });
  const names: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(join(from, folder))) {
    if (isDirectory) await pack(from, to, join(folder, name));
    else if (name.endsWith(".schema.json")) {
      Deno.copyFileSync(join(from, folder, name), join(to, folder, name));
    } else if (name.endsWith(".yaml")) names.push(name);
  }
  if (names.length > 0) {
    Deno.writeTextFileSync(join(to, folder, PACK), await packed(from, folder, names.sort()));
  }
}

async function packed(root: string, folder: string, names: readonly string[]): Promise<string> {
  const { profiles, faults } = await loadProfiles(
    { profilePath: root, embeddedProfiles: false },
    folder === "general" ? null : folder,
  );
  const [fault] = faults;
  if (fault !== undefined) throw new Error(`${fault.path}:${fault.line}: ${fault.reason}`);
  const byPath = new Map(profiles.map((profile) => [profile.path, profile]));
  const files = names.map((name): [string, PackedProfile] => {
    const path = join(root, folder, name);
    const profile = byPath.get(path);
    const text = Deno.readTextFileSync(path);
    if (profile === undefined) throw new Error(`${path} is shadowed by another profile with the same id`);
    if (readPlainYaml(text) === null) throw new Error(`${path} needs the full YAML reader; use plain YAML`);
    const { aimId, modelId, metadata } = profile;
    return [name, { aimId, modelId, metadata, text }];
  });
  return JSON.stringify(Object.fromEntries(files));
}

import type { Config } from "../config/config.ts";
import { findProfileFiles } from "./find_profile_files.ts";
import { type PackedProfile, unpackProfile } from "./profile_content.ts";
import { readProfile } from "./read_profile.ts";
import type { Findings, Profile, ProfileFault, ProfilePlace } from "./types.ts";

/**
 * Loads the profiles that one model can use, at any depth of these folders, in this order; the first profile
 * of an id shadows later ones: `custom/` on disk (whatever model a file is for), `<org>/<model>/` on disk,
 * the same embedded, `general/` on disk, embedded.
 *
 * A file with faults is skipped and shadows nothing; warnings are about the others. Requires `--allow-read`.
 *
 * @param profileSet `org/model`; `null`: only custom and general profiles are candidates.
 * @param embeddedPath Where the program's own profiles are.
 */
export async function loadProfiles(
  config: Pick<Config, "profilePath" | "embeddedProfiles">,
  profileSet: string | null,
  embeddedPath: string = EMBEDDED_ROOT,
): Promise<Findings<ProfileFault> & { readonly profiles: readonly Profile[] }> {
  const profiles = new Map<string, Profile>();
  const faults: ProfileFault[] = [];
  const warnings: ProfileFault[] = [];
  for (const folder of searchPath(config, profileSet, embeddedPath)) {
    if (folder.isEmbedded && IS_BUNDLED) {
      for (const [name, packed] of packIn(folder.path)) {
        const place = placeOf(folder, name);
        if (!profiles.has(place.id)) profiles.set(place.id, unpackProfile(packed, place));
      }
      continue;
    }
    const found = findProfileFiles(folder.path);
    faults.push(...found.faults);
    for (const path of found.files) {
      const place = placeOf(folder, path.slice(folder.path.length + 1));
      // Only a custom profile's id depends on its content.
      if (folder.priority !== 1 && profiles.has(place.id)) continue;
      const file = await readProfile(path, place);
      faults.push(...file.faults);
      if (file.profile === null || profiles.has(file.profile.id)) continue;
      warnings.push(...file.warnings);
      profiles.set(file.profile.id, file.profile);
    }
  }
  return { profiles: [...profiles.values()], faults, warnings };
}

interface Folder {
  readonly path: string;
  /** Its path below the root. */
  readonly name: string;
  readonly priority: Profile["priority"];
  readonly isEmbedded: boolean;
}

function searchPath(
  { profilePath, embeddedProfiles }: Pick<Config, "profilePath" | "embeddedProfiles">,
  profileSet: string | null,
  embeddedPath: string,
): Folder[] {
  const onDisk = (name: string, priority: Profile["priority"]): Folder => (
    { path: `${profilePath}/${name}`, name, priority, isEmbedded: false }
  );
  const everywhere = (name: string, priority: Profile["priority"]): Folder[] => [
    onDisk(name, priority),
    ...(embeddedProfiles ? [{ path: `${embeddedPath}/${name}`, name, priority, isEmbedded: true }] : []),
  ];
  return [
    onDisk("custom", 1),
    ...(profileSet !== null && isFolderName(profileSet) ? everywhere(profileSet, 2) : []),
    ...everywhere("general", 3),
  ];
}

/** True if a name can be a model's folder: inside the root, and without another meaning. */
function isFolderName(model: string): boolean {
  const parts = model.split("/");
  return parts.length >= 2 && !["custom", "general", "schemas"].includes(parts[0] ?? "") &&
    parts.every((part) => /^[^.\\\0][^\\\0]*$/.test(part));
}

/** @param below The file's path below the folder. */
function placeOf({ path, name, isEmbedded, priority }: Folder, below: string): ProfilePlace {
  const common = { path: isEmbedded ? `embedded:${name}/${below}` : `${path}/${below}`, priority };
  const whole = below.replace(/\.ya?ml$/, "");
  const stem = whole.slice(whole.lastIndexOf("/") + 1);
  if (priority === 3) return { ...common, kind: "general", id: `general/${stem}` };
  if (priority === 2) return { ...common, kind: "model", id: stem };
  if (below.startsWith("general/")) return { ...common, kind: "general", id: `custom/general/${stem}` };
  return { ...common, kind: "either", id: `custom/${whole}` };
}

/** An executable's profiles of a folder: a JSON object of {@linkcode PackedProfile}s by file name. */
export const PACK = "profiles.json";

function packIn(folder: string): [string, PackedProfile][] {
  try {
    return Object.entries<PackedProfile>(JSON.parse(Deno.readTextFileSync(`${folder}/${PACK}`)));
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return [];
    throw thrown;
  }
}

/** Whether this is a bundle, which has the profiles of each folder in one file. */
export const IS_BUNDLED = !(import.meta.filename ?? "").endsWith("/src/profiles/load_profiles.ts");

/** The program's own profiles: at the root of the source tree, or beside the bundle. */
export const EMBEDDED_ROOT = `${import.meta.dirname}/${IS_BUNDLED ? "" : "../../"}profiles`;

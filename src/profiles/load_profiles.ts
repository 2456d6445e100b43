import { readRegularFileSync } from "../os/read_regular_file.ts";
import { embeddedRoot, isBundled } from "./embedded_root.ts";
import { findProfileFiles } from "./find_profile_files.ts";
import { type PackedProfile, unpackProfile } from "./packed_profile.ts";
import type { ProfilePlace } from "./profile_from_value.ts";
import { readProfile } from "./read_profile.ts";
import type { Profile, ProfileFault } from "./types.ts";

/** Which profiles to load. */
export interface LoadProfilesOptions {
  /** `AIM_PROFILE_PATH`; a missing folder has no profiles. */
  profilePath: string;
  /** Also those that come with the program. */
  embedded: boolean;
  /** The profile set, `org/model`; `null`: only custom and general profiles are candidates. */
  model: string | null;
  /** Where the program's own profiles are. @default {embeddedRoot()} */
  embeddedPath?: string;
}

/** What was found. */
export interface LoadedProfiles {
  /** One for each profile id: the first in the order of search. */
  readonly profiles: readonly Profile[];
  /** Files that are left out, and why. */
  readonly faults: readonly ProfileFault[];
  /** What is odd about files that are used. */
  readonly notes: readonly ProfileFault[];
}

/**
 * Loads the profiles that one model can use, at any depth of these folders, in this order; the first profile
 * of an id shadows later ones: `custom/` on disk (whatever model a file is for), `<org>/<model>/` on disk,
 * the same embedded, `general/` on disk, embedded.
 *
 * A file that cannot be used is in `faults` and shadows nothing. Requires `--allow-read`.
 */
export async function loadProfiles(options: LoadProfilesOptions): Promise<LoadedProfiles> {
  const profiles = new Map<string, Profile>();
  const faults: ProfileFault[] = [];
  const notes: ProfileFault[] = [];
  for (const folder of searchPath(options)) {
    if (folder.packed) {
      for (const [name, packed] of packIn(folder.path)) {
        const profile = unpackProfile(packed, placeOf(folder, name, ""));
        if (!profiles.has(profile.id)) profiles.set(profile.id, profile);
      }
      continue;
    }
    const { files, unreadable } = findProfileFiles(folder.path);
    for (const { path, thrown } of unreadable) faults.push(cannotRead(path, reasonOf(thrown)));
    for (const { below, path } of files) {
      const place = placeOf(folder, below, path);
      // Only a custom profile's id depends on its content.
      if (folder.priority !== 1 && profiles.has(place.idOf(null))) continue;
      const content = bytesOf(path, place.path, faults);
      if (content === null) continue;
      const file = await readProfile(content, place);
      faults.push(...file.faults);
      if (file.profile === null || profiles.has(file.profile.id)) continue;
      notes.push(...file.notes);
      profiles.set(file.profile.id, file.profile);
    }
  }
  return { profiles: [...profiles.values()], faults, notes };
}

/** A folder of the search path. */
interface Folder extends Pick<ProfilePlace, "origin" | "priority"> {
  readonly path: string;
  /** Path below the root that it belongs to. */
  readonly name: string;
  /** Its profiles are in one file, as in an executable. */
  readonly packed: boolean;
}

function searchPath(options: LoadProfilesOptions): Folder[] {
  const model = options.model !== null && isFolderName(options.model) ? options.model : null;
  const folders = [
    { name: "custom", priority: 1 },
    ...(model === null ? [] : [{ name: model, priority: 2 } as const]),
    { name: "general", priority: 3 },
  ] as const;
  const onDisk = isThere(options.profilePath);
  const embedded = options.embeddedPath ?? embeddedRoot();
  const packed = options.embeddedPath === undefined && isBundled();
  return folders.flatMap(({ name, priority }): Folder[] => [
    ...(onDisk
      ? [{ name, priority, origin: "disk", packed: false, path: pathIn(options.profilePath, name) } as const]
      : []),
    ...(options.embedded && priority !== 1
      ? [{ name, priority, origin: "embedded", packed, path: pathIn(embedded, name) } as const]
      : []),
  ]);
}

/** One look instead of one for each folder of the search path. */
function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (thrown) {
    return !isMissing(thrown);
  }
}

function pathIn(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/**
 * A model's name that is a folder of its own: no way out of the root, and none of the folders that mean
 * something else.
 */
function isFolderName(model: string): boolean {
  const parts = model.split("/");
  return parts.length >= 2 && !["custom", "general", "schemas"].includes(parts[0] ?? "") &&
    parts.every((part) => /^[^.\\\0][^\\\0]*$/.test(part));
}

/** What a file's path says of its profile. */
function placeOf({ name, origin, priority }: Folder, below: string, path: string): ProfilePlace {
  const stem = (below.split("/").at(-1) ?? "").replace(/\.ya?ml$/, "");
  const common = { path: origin === "disk" ? path : `embedded:${name}/${below}`, origin, priority };
  if (priority === 3) return { ...common, kind: "general", idOf: () => `general/${stem}` };
  if (priority === 2) return { ...common, kind: "model", idOf: () => stem };
  if (below.startsWith("general/")) {
    return {
      ...common,
      kind: "general",
      idOf: () => `custom/general/${stem}`,
    };
  }
  const folder = below.includes("/") ? below.slice(0, below.lastIndexOf("/") + 1) : "";
  return {
    ...common,
    kind: "either",
    idOf: (aimId) => aimId === null ? `custom/${folder}${stem}` : `custom/${aimId}/${stem}`,
  };
}

/** An executable's profiles of a folder: a JSON object of {@linkcode PackedProfile}s by file name. */
export const PACK = "profiles.json";

function packIn(folder: string): [string, PackedProfile][] {
  try {
    return Object.entries<PackedProfile>(JSON.parse(Deno.readTextFileSync(`${folder}/${PACK}`)));
  } catch (thrown) {
    if (isMissing(thrown)) return [];
    throw thrown;
  }
}

function bytesOf(path: string, shown: string, faults: ProfileFault[]): Uint8Array | null {
  const read = readRegularFileSync(path);
  if (read.kind === "ok") return read.value;
  faults.push(cannotRead(shown, read.kind === "absent" ? "there is no such file" : read.reason));
  return null;
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory;
}

function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function cannotRead(path: string, reason: string): ProfileFault {
  // Deno ends its messages with the call and the path, which is in front already.
  return {
    path,
    line: 1,
    column: 1,
    reason: `cannot read it: ${reason.replace(/: (?:stat|open|readdir) .*/, "")}`,
  };
}

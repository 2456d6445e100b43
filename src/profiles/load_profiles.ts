import { readRegularFileSync } from "../os/read_regular_file.ts";
import { embeddedRoot, isBundled } from "./embedded_root.ts";
import type { ProfilePlace } from "./profile_from_value.ts";
import { compareText } from "./rank.ts";
import { readProfile } from "./read_profile.ts";
import type { Profile, ProfileFault } from "./types.ts";

/** Which profiles to load. */
export interface LoadProfilesOptions {
  /** `AIM_PROFILE_PATH`; a folder that is not there holds no profiles. */
  profilePath: string;
  /** Also those that come with the program. */
  embedded: boolean;
  /** The profile set, `org/model`; `null`: only general profiles are candidates. */
  model: string | null;
  /** Where the program's own profiles lie. @default {embeddedRoot()} */
  embeddedPath?: string;
}

/** What was found. */
export interface LoadedProfiles {
  /** One a profile id: the first in the order of search. */
  readonly profiles: readonly Profile[];
  /** Files that are left out, and why. */
  readonly faults: readonly ProfileFault[];
}

/**
 * Loads the profiles of one set. Only the folders of the search path are read, in this order, and the first profile of an id
 * shadows later ones: `custom/<org>/<model>/` and `custom/general/` on disk, `<org>/<model>/` on disk, the same embedded,
 * `general/` on disk, embedded.
 *
 * A file that cannot be used is in `faults` and shadows nothing. Requires `--allow-read`.
 */
export async function loadProfiles(options: LoadProfilesOptions): Promise<LoadedProfiles> {
  const profiles = new Map<string, Profile>();
  const faults: ProfileFault[] = [];
  for (const folder of searchPath(options)) {
    const placeOf = (name: string, path: string): ProfilePlace => ({
      id: folder.prefix + name.replace(/\.ya?ml$/, ""),
      path: folder.origin === "disk" ? path : `embedded:${folder.below}/${name}`,
      origin: folder.origin,
      priority: folder.priority,
      kind: folder.kind,
    });
    for (const { name, path, text } of folder.packed ? packOf(folder) : filesOf(folder, faults)) {
      const place = placeOf(name, path);
      if (profiles.has(place.id)) continue;
      const content = text ?? bytesOf(path, place.path, faults);
      if (content === null) continue;
      const file = await readProfile(content, place);
      faults.push(...file.faults);
      if (file.profile !== null) profiles.set(place.id, file.profile);
    }
  }
  return { profiles: [...profiles.values()], faults };
}

/** A folder of the search path. */
interface Folder extends Pick<ProfilePlace, "origin" | "priority" | "kind"> {
  readonly path: string;
  /** Its profiles lie in one file, as in an executable. */
  readonly packed: boolean;
  /** Path below the root that it belongs to. */
  readonly below: string;
  /** What profile ids begin with. */
  readonly prefix: string;
}

function searchPath(options: LoadProfilesOptions): Folder[] {
  const model = options.model !== null && isFolderName(options.model) ? options.model : null;
  const below: Omit<Folder, "path" | "packed" | "origin">[] = [
    ...(model === null
      ? []
      : [{ below: `custom/${model}`, prefix: `custom/${model}/`, priority: 1, kind: "model" } as const]),
    { below: "custom/general", prefix: "custom/general/", priority: 1, kind: "general" },
    ...(model === null ? [] : [{ below: model, prefix: "", priority: 2, kind: "model" } as const]),
    { below: "general", prefix: "general/", priority: 3, kind: "general" },
  ];
  const onDisk = isThere(options.profilePath);
  const embedded = options.embeddedPath ?? embeddedRoot();
  const packed = options.embeddedPath === undefined && isBundled();
  return below.flatMap((folder) => [
    ...(onDisk
      ? [{
        ...folder,
        origin: "disk" as const,
        packed: false,
        path: pathIn(options.profilePath, folder.below),
      }]
      : []),
    ...(options.embedded && folder.priority !== 1
      ? [{ ...folder, origin: "embedded" as const, packed, path: pathIn(embedded, folder.below) }]
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

/** A profile's file; `text` where it is known already. */
interface FoundFile {
  readonly name: string;
  readonly path: string;
  readonly text?: string;
}

/** An executable has one file for each folder of profiles, a JSON object of their texts by file name: opening a hundred takes too long. */
export const PACK = "profiles.json";

function packOf(folder: Folder): FoundFile[] {
  try {
    const texts: Record<string, string> = JSON.parse(Deno.readTextFileSync(`${folder.path}/${PACK}`));
    return Object.entries(texts).map(([name, text]) => ({ name, path: "", text }));
  } catch (thrown) {
    if (isMissing(thrown)) return [];
    throw thrown;
  }
}

/** A model's name that is a folder of its own: no way out of the root, and none of the folders that mean something else. */
function isFolderName(model: string): boolean {
  const parts = model.split("/");
  return parts.length >= 2 && !["custom", "general", "schemas"].includes(parts[0] ?? "") &&
    parts.every((part) => /^[^.\\\0][^\\\0]*$/.test(part));
}

/** The profile files right in a folder, by name; a `.yaml` before a `.yml` of the same stem. */
function filesOf(folder: Folder, faults: ProfileFault[]): FoundFile[] {
  try {
    return [...Deno.readDirSync(folder.path)]
      // Links too: a Kubernetes ConfigMap is mounted as links into a hidden folder.
      .filter((entry) => !entry.isDirectory && /^[^.].*\.ya?ml$/.test(entry.name))
      .map((entry) => ({ name: entry.name, path: `${folder.path}/${entry.name}` }))
      .sort((a, b) => compareText(a.name, b.name));
  } catch (thrown) {
    if (!isMissing(thrown)) faults.push(unreadable(folder.path, reasonOf(thrown)));
    return [];
  }
}

function bytesOf(path: string, shown: string, faults: ProfileFault[]): Uint8Array | null {
  const read = readRegularFileSync(path);
  if (read.kind === "ok") return read.value;
  faults.push(unreadable(shown, read.kind === "absent" ? "there is no such file" : read.reason));
  return null;
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory;
}

function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function unreadable(path: string, reason: string): ProfileFault {
  // Deno ends its messages with the call and the path, which stands in front already.
  return {
    path,
    line: 1,
    column: 1,
    reason: `it cannot be read: ${reason.replace(/: (?:stat|open) .*/, "")}`,
  };
}

import { AimError } from "../errors/aim_error.ts";
import { assertRevision } from "../sources/model_ref.ts";
import { cacheRoots, hubEnvironment, hubFolder } from "./cache_paths.ts";
import { readTextOrNull, statOrNull } from "./files.ts";
import { lookAtModel } from "./judge/look_at_model.ts";
import { isCommit, type ModelOnDisk } from "./layout.ts";
import type { CachePaths, ModelPlace, ModelVersion, PlaceLookedAt } from "./types.ts";

export interface ResolveOptions extends ModelVersion {
  readonly paths: CachePaths;
  readonly name: string;
}

/**
 * Finds a complete model for serving: in the local directory, else in the Hugging Face cache.
 *
 * @throws {AimError} `usage` for a revision that git does not allow.
 */
export async function resolveModel(options: ResolveOptions): Promise<ModelPlace> {
  const { paths, name, revision, quantisation } = options;
  if (revision !== undefined) assertRevision(revision);
  const model = { layout: "local", path: `${paths.cachePath}/${name}` } as const;
  const local = await lookAt(model, cacheRoots(paths), { revision, quantisation });
  if (local.state === "complete") return pathPlace(name, [local]);
  const hub = await lookHub(options);
  const looked = [local, hub];
  if (hub.state !== "complete") return { kind: "missing", looked };
  // vLLM needs the hub's listing to find a quantisation by name, so offline it gets the file's path.
  if (hub.gguf !== undefined) return pathPlace(name, looked);
  return {
    kind: "hub",
    id: name,
    snapshot: hub.path,
    revision: revision ?? "main",
    env: { ...hubEnvironment(paths), HF_HUB_OFFLINE: "1" },
    looked,
  };
}

function pathPlace(name: string, looked: readonly PlaceLookedAt[]): ModelPlace {
  const { path = "", gguf } = looked.at(-1) ?? {};
  return { kind: "path", path, name, ...(gguf === undefined ? {} : { gguf }), looked };
}

/** The directory of a model that was found. */
export function pathOfPlace(place: Exclude<ModelPlace, { kind: "missing" }>): string {
  return place.kind === "path" ? place.path : place.snapshot;
}

/**
 * Judges a model on disk. An unreadable one counts as damaged: the next place may have a complete one.
 *
 * @param roots Its links may point only into these folders.
 */
export async function lookAt(
  model: ModelOnDisk,
  roots: readonly string[],
  version?: ModelVersion,
): Promise<PlaceLookedAt> {
  return await readable(model, async () => {
    const { faults: _, ...shown } = { faults: [], ...await lookAtModel(model, roots, version) };
    return { layout: model.layout, path: model.path, ...shown };
  });
}

async function readable(
  { layout, path }: ModelOnDisk,
  look: () => Promise<PlaceLookedAt>,
): Promise<PlaceLookedAt> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof AimError)) throw error;
    const reason = `it cannot be read (${error.message})`;
    return { layout, path, state: "damaged", reason, remedy: "permissions" };
  }
}

/**
 * Judges the Hugging Face cache's snapshot of a revision. The path is the model's folder if it has no such
 * snapshot.
 */
export async function lookHub(
  { paths, name, revision = "main", quantisation }: ResolveOptions,
): Promise<PlaceLookedAt> {
  const folder = { layout: "hub", path: hubFolder(paths, name) } as const;
  return await readable(folder, async () => {
    const { path } = folder;
    const commit = await commitOf(path, revision);
    if (commit !== null) {
      const snapshot = { layout: "hub", path: `${path}/snapshots/${commit}` } as const;
      return await lookAt(snapshot, cacheRoots(paths), { quantisation });
    }
    const absent = { ...folder, state: "absent" } as const;
    if (await statOrNull(path) === null) return { ...absent, reason: "the directory does not exist" };
    const exists = await statOrNull(`${path}/refs/${revision}`) !== null;
    const why = `refs/${revision} ${exists ? "does not contain a commit" : "is missing"}`;
    return { ...absent, reason: `it has no revision ${revision} (${why})` };
  });
}

/**
 * The commit of a revision in a model's folder; `null` if there is none. Like Python, does not trim a ref's
 * text.
 */
export async function commitOf(folder: string, revision: string): Promise<string | null> {
  const ref = await readTextOrNull(`${folder}/refs/${revision}`);
  if (ref !== null && isCommit(ref)) return ref;
  const itself = isCommit(revision) && await statOrNull(`${folder}/snapshots/${revision}`) !== null;
  return itself ? revision : null;
}

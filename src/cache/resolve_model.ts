import { AimError } from "../errors/aim_error.ts";
import { assertRevision } from "../sources/model_ref.ts";
import { cacheRoots, hubEnvironment, hubFolder } from "./cache_paths.ts";
import { readTextOrNull, statOrNull } from "./files.ts";
import { lookAtModel } from "./judge/look_at_model.ts";
import type { Verdict } from "./judge/types.ts";
import { isCommit } from "./layout.ts";
import { checkLocalName } from "./local_name.ts";
import type { CachePaths, ModelPlace, PlaceLookedAt } from "./types.ts";

export interface ResolveOptions {
  readonly paths: CachePaths;
  /** Local name, `org/model`. */
  readonly name: string;
  /** Branch, tag or commit. @default {"main"; any revision of a local directory} */
  readonly revision?: string | undefined;
  /** GGUF quantisation. @default {the complete model} */
  readonly quantisation?: string | undefined;
}

/**
 * Finds a complete model for serving: in the local directory, else in the Hugging Face cache. The result says what
 * was found in each place.
 *
 * @throws {AimError} `usage` for a name that leads out of the cache.
 */
export async function resolveModel(options: ResolveOptions): Promise<ModelPlace> {
  const { paths, name, revision, quantisation } = options;
  checkLocalName(name);
  if (revision !== undefined) assertRevision(revision);
  const local = await lookLocal(`${paths.cachePath}/${name}`, revision, cacheRoots(paths), quantisation);
  if (local.state === "complete") {
    return { kind: "path", path: local.path, name, ...ggufOf(local), looked: [local] };
  }
  const hub = await lookHub(paths, name, revision ?? "main", quantisation);
  const looked = [local, hub];
  if (hub.state !== "complete") return { kind: "missing", looked };
  // vLLM needs the hub's listing to find a quantisation by its name: offline it gets the file.
  if (hub.gguf !== undefined) return { kind: "path", path: hub.path, name, ...ggufOf(hub), looked };
  return {
    kind: "hub",
    id: name,
    snapshot: hub.path,
    revision: revision ?? "main",
    env: { ...hubEnvironment(paths), HF_HUB_OFFLINE: "1" },
    looked,
  };
}

/** The directory of a model that was found: its own, or its snapshot's. */
export function pathOfPlace(place: Exclude<ModelPlace, { kind: "missing" }>): string {
  return place.kind === "path" ? place.path : place.snapshot;
}

/**
 * Judges a local directory.
 *
 * @param roots Its links may point only into these folders.
 */
export async function lookLocal(
  path: string,
  revision: string | undefined,
  roots: readonly string[],
  quantisation?: string,
): Promise<PlaceLookedAt> {
  const model = { layout: "local", path } as const;
  return placeOf("local", path, await readable(() => lookAtModel(model, roots, { revision, quantisation })));
}

function ggufOf({ gguf }: PlaceLookedAt): { gguf?: string } {
  return gguf === undefined ? {} : { gguf };
}

function placeOf(layout: PlaceLookedAt["layout"], path: string, verdict: Verdict): PlaceLookedAt {
  const { faults: _, ...shown } = { faults: [], ...verdict };
  return { layout, path, ...shown };
}

/** A place that cannot be read is damaged; the next one may be complete. */
async function readable(judge: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await judge();
  } catch (error) {
    if (!(error instanceof AimError)) throw error;
    const reason = `it cannot be read (${error.message})`;
    return { state: "damaged", reason, remedy: "permissions", faults: [] };
  }
}

/** Judges the Hugging Face cache's snapshot of a revision. The path is the model's folder if it has no such snapshot. */
export async function lookHub(
  paths: CachePaths,
  name: string,
  revision: string,
  quantisation?: string,
): Promise<PlaceLookedAt> {
  const folder = hubFolder(paths, name);
  let path = folder;
  const verdict = await readable(async (): Promise<Verdict> => {
    if (await statOrNull(folder) === null) return { state: "absent", reason: "there is no such directory" };
    const commit = await commitOf(folder, revision);
    if (commit === null) {
      const exists = await statOrNull(`${folder}/refs/${revision}`) !== null;
      const why = `refs/${revision} ${exists ? "does not contain a commit" : "is missing"}`;
      return { state: "absent", reason: `it has no revision ${revision} (${why})` };
    }
    path = `${folder}/snapshots/${commit}`;
    return await lookAtModel({ layout: "hub", path }, cacheRoots(paths), { quantisation });
  });
  return placeOf("hub", path, verdict);
}

/**
 * The commit of a revision in a model's folder of the Hugging Face cache; `null` if there is none. Like Python, does
 * not trim the text of a ref.
 */
export async function commitOf(folder: string, revision: string): Promise<string | null> {
  const ref = await readTextOrNull(`${folder}/refs/${revision}`);
  if (ref !== null && isCommit(ref)) return ref;
  const itself = isCommit(revision) && await statOrNull(`${folder}/snapshots/${revision}`) !== null;
  return itself ? revision : null;
}

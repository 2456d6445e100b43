import { AimError } from "../../errors/aim_error.ts";
import type { Read } from "../../os/read.ts";
import { filesOfQuantisation, ggufFiles, withoutQuantisation } from "../../sources/quantisation.ts";
import { type Listing, readTextOrNull } from "../files.ts";
import { folderOf, nameOf } from "../layout.ts";
import { judgeModel } from "./judge_model.ts";
import { readHead } from "./read_head.ts";
import type { Head, KnownOfModel, ModelContents, Verdict } from "./types.ts";
import { CONFIGS, formatOf, indexFormatOf, isAnyWeight, isReadByEngine } from "./weight_files.ts";

/**
 * Judges the files of a model, or those of one GGUF quantisation without the faults of others.
 *
 * @param directory The model's, or a snapshot's.
 */
export async function judgeFiles(
  directory: string,
  { files, dangling }: Listing,
  known: KnownOfModel,
  quantisation: string | undefined,
): Promise<Verdict> {
  if (quantisation === undefined) {
    return judgeModel(await readContents(directory, { ...known, files, dangling }));
  }
  const { record, foundBad } = known;
  const recorded = new Set(record?.map(({ path }) => path));
  const all = new Set([...files.keys(), ...dangling, ...recorded]);
  const [gguf] = ggufFiles(all, quantisation);
  if (gguf === undefined) {
    return { state: "absent", reason: `it has ${withoutQuantisation(quantisation, all)}` };
  }
  const own = filesOfQuantisation(all, quantisation);
  const ofOwn = <T>(map: ReadonlyMap<string, T>) => new Map([...map].filter(([path]) => own.has(path)));
  const folder = folderOf(gguf);
  const contents = await readContents(directory, {
    ...known,
    files: ofOwn(files),
    dangling: dangling.filter((path) => own.has(path)),
    // The record does not list a quantisation that another program has downloaded.
    record: recorded.has(gguf) ? record?.filter(({ path }) => own.has(path)) ?? null : null,
    foundBad: ofOwn(foundBad),
  });
  const verdict = judgeModel({ ...contents, weightsFolder: folder === "" ? "" : `${folder}/` });
  return verdict.state === "complete" ? { ...verdict, gguf } : verdict;
}

/** Reads configurations, indexes, and the first bytes of every file that an engine may load. */
async function readContents(
  directory: string,
  known: Omit<ModelContents, "texts" | "heads">,
): Promise<ModelContents> {
  const texts = new Map<string, string>();
  const heads = new Map<string, Head>();
  for (const [path, size] of known.files) {
    const name = nameOf(path);
    const weights = formatOf(name) !== null || isAnyWeight(name);
    // A pipeline has only one level of folders.
    if (path.split("/").length > 2 && !weights) continue;
    if (size > 0 && (weights || folderOf(path) === "" && isReadByEngine(name))) {
      heads.set(path, readHead(`${directory}/${path}`, size, weights));
    }
    if (indexFormatOf(name) === null && !CONFIGS.has(path)) continue;
    const text = await textOrNull(`${directory}/${path}`);
    if (text !== null) texts.set(path, text);
  }
  return { ...known, texts, heads };
}

/** `null` for a file that this user may not read, which its head shows too. */
async function textOrNull(path: string): Promise<string | null> {
  try {
    return await readTextOrNull(path);
  } catch (error) {
    if (error instanceof AimError) return null;
    throw error;
  }
}

/** The verdict for a model with an invalid record: damaged, since its files cannot be checked. */
export function recordFault(
  path: string,
  { reason, cause }: Extract<Read<unknown>, { kind: "failed" }>,
): Verdict {
  const said = `${path} cannot be used: ${reason}`;
  return {
    state: "damaged",
    reason: said,
    // With a cause, the system refused to read it; otherwise its content is invalid.
    remedy: cause === undefined ? "finish" : "permissions",
    faults: [{ path, kind: cause === undefined ? "content" : "unreadable", reason: said }],
  };
}

/** The verdict for a model with links out of its cache; `null` if it has none. */
export function strayFault({ strays }: Listing): Verdict | null {
  for (const [link, target] of strays) {
    const reason = `${
      link === "" ? "it" : link
    } is a symbolic link that leads out of the cache, to ${target}`;
    return { state: "partial", reason, remedy: "links", faults: [] };
  }
  return null;
}

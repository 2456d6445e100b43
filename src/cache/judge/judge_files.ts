import {
  filesOfQuantisation,
  ggufFiles,
  quantisationsOf,
  withoutQuantisation,
} from "../../sources/quantisation.ts";
import type { Listing } from "../files.ts";
import { folderOf } from "../layout.ts";
import { judgeModel } from "./judge_model.ts";
import { type KnownOfModel, readContents } from "./read_contents.ts";
import type { Verdict } from "./types.ts";

/**
 * Judges the files of a model, or those of one GGUF quantisation without the faults of others.
 *
 * @param directory The model's, or a snapshot's.
 */
export async function judgeFiles(
  directory: string,
  listing: Listing,
  known: KnownOfModel,
  quantisation: string | undefined,
): Promise<Verdict> {
  if (quantisation === undefined) return judgeModel(await readContents(directory, listing, known));
  const recorded = known.record?.files.map(({ path }) => path) ?? [];
  const all = new Set([...listing.files.keys(), ...listing.dangling, ...recorded]);
  const [gguf] = ggufFiles(all, quantisation);
  if (gguf === undefined) {
    const there = quantisationsOf(all).length === 0 ? [] : all;
    return { state: "absent", reason: `it has ${withoutQuantisation(quantisation, there)}` };
  }
  const own = filesOfQuantisation(all, quantisation);
  const isOwn = ([path]: readonly [string, unknown]) => own.has(path);
  const { record } = known;
  const contents = await readContents(
    directory,
    {
      ...listing,
      files: new Map([...listing.files].filter(isOwn)),
      dangling: listing.dangling.filter((path) => own.has(path)),
    },
    {
      ...known,
      // The record does not list a quantisation that another program has downloaded.
      record: record === null || !recorded.includes(gguf)
        ? null
        : { ...record, files: record.files.filter(({ path }) => own.has(path)) },
      foundBad: new Map([...known.foundBad].filter(isOwn)),
    },
  );
  const folder = folderOf(gguf);
  const verdict = judgeModel({ ...contents, weightsFolder: folder === "" ? "" : `${folder}/` });
  return verdict.state === "complete" ? { ...verdict, gguf } : verdict;
}

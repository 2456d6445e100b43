import { AimError } from "../../errors/aim_error.ts";
import { type Listing, readTextOrNull } from "../files.ts";
import { folderOf, nameOf } from "../layout.ts";
import type { ModelRecord } from "../record.ts";
import { readHead } from "./read_head.ts";
import type { Head, ModelContents } from "./types.ts";
import { CONFIGS, formatOf, indexFormatOf, isAnyWeight, isReadByEngine } from "./weight_files.ts";

/** What is known about a model in addition to its files. */
export interface KnownOfModel {
  readonly record: ModelRecord | null;
  /** Sizes in Python's note, by path. */
  readonly noted?: ReadonlyMap<string, number>;
  /** A partial file of this model. */
  readonly unfinished?: string | null;
  /** Bad files that `cache verify` found, by path. */
  readonly foundBad: ReadonlyMap<string, string>;
}

/**
 * Reads what the judge needs: configurations, indexes, and the first bytes of every file that an engine may load.
 *
 * @param directory The model's, or a snapshot's.
 */
export async function readContents(
  directory: string,
  { files, dangling }: Listing,
  { record, noted = new Map(), unfinished = null, foundBad }: KnownOfModel,
): Promise<ModelContents> {
  const texts = new Map<string, string>();
  const heads = new Map<string, Head>();
  for (const [path, size] of files) {
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
  return { files, dangling, record: record?.files ?? null, noted, unfinished, foundBad, texts, heads };
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

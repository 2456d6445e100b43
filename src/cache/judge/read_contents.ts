import { AimError } from "../../errors/aim_error.ts";
import { type Listing, readTextOrNull } from "../files.ts";
import { folderOf, nameOf } from "../layout.ts";
import type { ModelRecord } from "../record.ts";
import { readHead } from "./read_head.ts";
import type { Head, ModelContents } from "./types.ts";
import { formatOf, indexFormatOf, isAnyWeight, isReadByEngine } from "./weight_files.ts";

/** What is known of a model besides its files. */
export interface KnownOfModel {
  readonly record: ModelRecord | null;
  /** Sizes that Python's client noted, by path. */
  readonly noted?: ReadonlyMap<string, number>;
  /** A partial file of this very model. */
  readonly unfinished?: string | null;
  /** What `cache verify` found bad, by path. */
  readonly foundBad: ReadonlyMap<string, string>;
}

/**
 * Reads what the judge goes by: configurations, indexes, and the head of every file that an engine may load.
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
    // Deeper folders than a pipeline's components are another model's, or none.
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

const CONFIGS: ReadonlySet<string> = new Set(["config.json", "params.json"]);

/** A file that this user may not read is known by its head. */
async function textOrNull(path: string): Promise<string | null> {
  try {
    return await readTextOrNull(path);
  } catch (error) {
    if (error instanceof AimError) return null;
    throw error;
  }
}

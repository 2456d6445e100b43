import type { Remedy } from "./remedy_in_words.ts";
import type { RecordedFile } from "../record.ts";
import {
  CONFIGS,
  formatOf,
  indexFormatOf,
  isAnyWeight,
  isReadByEngine,
  MAIN_INDEX,
  missingShards,
  shardsOfIndex,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "./weight_files.ts";
import { isJsonObject, jsonOrNull } from "../../values/json.ts";

/** A fault of one file. */
export interface FileFault {
  readonly path: string;
  /**
   * `missing` (or a dangling link), `size`, `content` (not weights, cut off, a bad digest), `unreadable` for
   * this user.
   */
  readonly kind: "missing" | "size" | "content" | "unreadable";
  /** A clause without its subject, the path. */
  readonly reason: string;
}

/** The state of a model on disk. */
export type Verdict =
  /** `gguf`: the engine's file of the requested quantisation. */
  | { readonly state: "complete"; readonly reason: string; readonly gguf?: string }
  | { readonly state: "absent"; readonly reason: string }
  /** `partial`: a file is missing. `damaged`: a file is wrong or cannot be read. */
  | {
    readonly state: "partial" | "damaged";
    readonly reason: string;
    readonly remedy: Remedy;
    /** Empty if no single file is at fault. */
    readonly faults: readonly FileFault[];
  };

/** The input of {@linkcode judgeModel}. Paths are relative to the model. */
export interface ModelContents {
  /** Sizes in bytes, links followed. */
  readonly files: ReadonlyMap<string, number>;
  /** Links whose target does not exist. */
  readonly dangling: readonly string[];
  /** The files of the download; `null` without a record. */
  readonly record: readonly RecordedFile[] | null;
  /** Sizes that Python's client has recorded. */
  readonly noted: ReadonlyMap<string, number>;
  /** A partial file of this model; `null` without one. */
  readonly unfinished: string | null;
  /** Bad files that `cache verify` found, with the reason. */
  readonly foundBad: ReadonlyMap<string, string>;
  /** The folder of the weights, with a final `/`; `null` for the top folder, or a pipeline's components. */
  readonly weightsFolder: string | null;
  /** Finds what is wrong with a file of this size by its first bytes; `null` if nothing is. */
  head(path: string, size: number): Pick<FileFault, "kind" | "reason"> | null;
  /** Reads a text file; `null` if it cannot be read. */
  text(path: string): string | null;
}

/**
 * The only place that decides whether a model is complete. A record lists the files that must exist. An index
 * lists the shards; without one, the shards' own names show how many there are. Files that an engine does not
 * read are ignored.
 */
export function judgeModel(contents: ModelContents): Verdict {
  const { files, dangling, record, foundBad } = contents;
  if (files.size + dangling.length === 0 && record === null) {
    return { state: "absent", reason: "it has no files" };
  }
  if (foundBad.size > 0) {
    return faulty(
      [...foundBad].map(([path, why]) => bad(path, why)),
      "repair",
      "cache verify found it bad: ",
    );
  }
  const sizes = sizeFaults(contents);
  if (sizes.length > 0) return faulty(sizes, "repair");
  if (record === null && contents.unfinished !== null) {
    return partial(`its download is unfinished (${contents.unfinished})`, "finish");
  }
  // Files that the record does not list belong to another version, or to the user.
  return judgeWeights(
    record === null
      ? contents
      : { ...contents, files: new Map(record.map(({ path, size }) => [path, size])), dangling: [] },
  );
}

/** A record's files must exist. Python's client also records files that were not downloaded. */
function sizeFaults({ files, record, noted }: ModelContents): FileFault[] {
  const expected = record === null ? noted : new Map(record.map(({ path, size }) => [path, size]));
  return [...expected].flatMap(([path, size]): FileFault[] => {
    const now = files.get(path);
    if (now === undefined) return record === null ? [] : [missing(path)];
    return now === size ? [] : [{ path, kind: "size", reason: `has ${now} bytes instead of ${size}` }];
  });
}

function judgeWeights(contents: ModelContents): Verdict {
  const components = contents.weightsFolder === null ? componentsOf(contents) : null;
  const needed = (components ?? [contents.weightsFolder ?? ""])
    .map((folder) => neededWeights(contents, folder)).filter((one) => one !== null);
  if (needed.length === 0) {
    return components === null
      ? withoutWeights(contents)
      : partial("none of its components has weights", "finish");
  }
  const isGguf = needed.some(({ format }) => format === "gguf");
  return complete(contents, [
    ...needed.flatMap(({ faults }) => faults),
    ...components !== null || isGguf ? [] : configFaults(contents),
    ...unreadableFaults(contents),
  ]);
}

/** The folders of a pipeline (`model_index.json`), each with its own weights; `null` for any other model. */
function componentsOf({ files, dangling }: ModelContents): string[] | null {
  const all = [...files.keys(), ...dangling];
  const isWeight = (name: string) => formatOf(name) !== null || indexFormatOf(name) !== null;
  if (!files.has("model_index.json") || all.some((path) => !path.includes("/") && isWeight(path))) {
    return null;
  }
  const inFolders = all.filter((path) => path.includes("/"));
  return [...new Set(inFolders.map((path) => path.slice(0, path.indexOf("/") + 1)))];
}

function withoutWeights(contents: ModelContents): Verdict {
  const { files, record } = contents;
  if (files.has("adapter_config.json") || files.has("adapter_model.safetensors")) {
    return partial("it is an adapter, which an engine loads only with its base model", "base");
  }
  // With filters, the download may have only weights of another format, or in a subfolder.
  const others = record?.map(({ path }) => path).filter(isAnyWeight) ?? [];
  if (others.length > 0) return complete(contents, others.flatMap((path) => headFaults(contents, path)));
  const why = record === null
    ? "it has no weights (safetensors, bin, pt, gguf)"
    : "it was downloaded without weights";
  return partial(why, "finish");
}

/**
 * The format that an engine would load from a folder, and the faults of its files; `null` without weights.
 */
function neededWeights(contents: ModelContents, folder: string) {
  const names = [...contents.files.keys(), ...contents.dangling]
    .filter((path) => path.startsWith(folder) && !path.slice(folder.length).includes("/"))
    .map((path) => path.slice(folder.length)).sort();
  const members = Map.groupBy(names, (name) => formatOf(name));
  const indexes = Map.groupBy(names, (name) => indexFormatOf(name));
  const first = WEIGHT_FORMATS.find((format) => members.has(format)) ??
    WEIGHT_FORMATS.find((format) => indexes.has(format));
  if (first === undefined) return null;
  // Mistral's repositories have both, and an engine loads either, depending on its version.
  const both = first !== "consolidated" && members.has("consolidated") && names.includes("params.json");
  const formats: WeightFormat[] = both ? [first, "consolidated"] : [first];
  const faults = formats.flatMap((format) =>
    formatFaults(contents, folder, format, members.get(format) ?? [], indexes.get(format) ?? [])
  );
  return { format: first, faults };
}

function formatFaults(
  contents: ModelContents,
  folder: string,
  format: WeightFormat,
  members: readonly string[],
  indexes: readonly string[],
): FileFault[] {
  const main = indexes.find((name) => name === MAIN_INDEX[format]);
  const faults: FileFault[] = [];
  const needed = new Map<string, string>();
  for (const index of main === undefined ? indexes : [main]) {
    const path = `${folder}${index}`;
    const shards = shardsOfIndex(contents.text(path) ?? "", folder);
    if (shards === null) {
      const own = fileFaults(contents, path);
      faults.push(...own.length > 0 ? own : [bad(path, "is not an index of shards")]);
      continue;
    }
    // One of several indexes may be for weights that were left out on purpose.
    if (main === undefined && members.length > 0 && shards.every((one) => !contents.files.has(one))) continue;
    for (const shard of shards) needed.set(shard, `named in ${path}`);
  }
  if (needed.size === 0 && faults.length === 0) {
    for (const name of members) needed.set(`${folder}${name}`, "");
    for (const [shard, one] of missingShards(members)) {
      needed.set(`${folder}${shard}`, `${one} is in the same set`);
    }
  }
  for (const [path, why] of needed) {
    const isOutside = path.split("/").includes("..") || path.startsWith("/");
    if (isOutside) faults.push(bad(path, `(${why}) is outside of the model`));
    else faults.push(...fileFaults(contents, path, why));
  }
  return faults;
}

/** The faults of a file that an engine needs. */
function fileFaults(contents: ModelContents, path: string, why = ""): FileFault[] {
  const size = contents.files.get(path);
  if (size === undefined) return [missing(path, why)];
  return size === 0 ? [bad(path, "is empty")] : headFaults(contents, path);
}

/** The faults that the first bytes of a file show. */
function headFaults({ files, head }: ModelContents, path: string): FileFault[] {
  const size = files.get(path) ?? 0;
  const fault = size === 0 ? null : head(path, size);
  return fault === null ? [] : [{ path, ...fault }];
}

/** `config.json`, or Mistral's `params.json`; GGUF needs neither. */
function configFaults(contents: ModelContents): FileFault[] {
  const path = CONFIGS.find((name) => contents.files.has(name)) ?? "config.json";
  const faults = fileFaults(contents, path);
  if (faults.length > 0 || isJsonObject(jsonOrNull(contents.text(path) ?? ""))) return faults;
  return [bad(path, "is not a JSON object")];
}

/** Faults of the engine's other files: unreadable for this user, missing, or with the wrong content. */
function unreadableFaults(contents: ModelContents): FileFault[] {
  const isBeside = (path: string) =>
    !path.includes("/") && isReadByEngine(path) && indexFormatOf(path) === null && !CONFIGS.includes(path);
  return [
    ...contents.dangling.filter(isBeside).map((path) => missing(path)),
    ...[...contents.files.keys()].filter(isBeside).flatMap((path) => headFaults(contents, path)),
  ];
}

function complete({ record, files }: ModelContents, faults: readonly FileFault[]): Verdict {
  if (faults.length > 0) {
    return faulty(faults, faults.every(({ kind }) => kind === "unreadable") ? "permissions" : "repair");
  }
  if (record === null) {
    const config = [...CONFIGS, "model_index.json"].find((name) => files.has(name));
    return { state: "complete", reason: `${config ?? "a GGUF file"} and all weights are present` };
  }
  const count = record.length === 1 ? "1 file" : `${record.length} files`;
  return { state: "complete", reason: `complete by its manifest: ${count}` };
}

/** @param found How it was found, if not by this check of the files. */
function faulty(faults: readonly FileFault[], remedy: Remedy, found = ""): Verdict {
  // A missing file first, since other faults may follow from it.
  const shown = faults.find(({ kind }) => kind === "missing") ?? faults[0];
  const more = faults.length > 1 ? `, and ${faults.length - 1} more` : "";
  return {
    state: shown?.kind === "missing" ? "partial" : "damaged",
    reason: `${found}${shown?.path}${found === "" ? "" : ":"} ${shown?.reason}${more}`,
    remedy,
    faults,
  };
}

export function partial(reason: string, remedy: Remedy): Verdict {
  return { state: "partial", reason, remedy, faults: [] };
}

function missing(path: string, why = ""): FileFault {
  return { path, kind: "missing", reason: `is missing${why === "" ? "" : ` (${why})`}` };
}

function bad(path: string, reason: string): FileFault {
  return { path, kind: "content", reason };
}

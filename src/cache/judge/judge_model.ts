import type { FileFault, Head, ModelContents, Remedy, Verdict } from "./types.ts";
import {
  CONFIGS,
  formatOf,
  indexFormatOf,
  isAnyWeight,
  isReadByEngine,
  isShardZero,
  MAIN_INDEX,
  setOf,
  shardsOfIndex,
  siblingsOf,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "./weight_files.ts";

/**
 * Judges a model on disk: the only place that decides whether it is complete. No I/O.
 *
 * A record lists the files that must exist. An index has the names of the shards; without one, the shards' own names
 * show how many there are. Files that an engine does not read are ignored.
 */
export function judgeModel(contents: ModelContents): Verdict {
  const { files, dangling, record, foundBad } = contents;
  if (files.size + dangling.length === 0 && record === null) {
    return { state: "absent", reason: "it has no files" };
  }
  const bad = [...foundBad].map(([path, reason]): FileFault => ({
    path,
    kind: "content",
    reason: `${path}: ${reason}`,
  }));
  if (bad.length > 0) return faulty(bad, "repair", "cache verify found it bad");
  const recorded = record === null ? notedFaults(contents) : recordFaults(record, files);
  if (recorded.length > 0) return faulty(recorded, "repair");
  if (record === null && contents.unfinished !== null) {
    return partial(`its download is unfinished (${contents.unfinished})`, "finish");
  }
  // Files that the record does not list are another version's, or the user's own.
  const own = record === null ? contents : {
    ...contents,
    files: new Map(record.map(({ path, size }) => [path, size])),
    dangling: [],
  };
  const folder = contents.weightsFolder ?? modelFolder(own);
  return folder === null ? judgeComponents(own) : judgeFolder(own, folder);
}

function recordFaults(
  record: NonNullable<ModelContents["record"]>,
  files: ModelContents["files"],
): FileFault[] {
  return record.flatMap(({ path, size }): FileFault[] => {
    const now = files.get(path);
    if (now === size) return [];
    return now === undefined ? [missing(path)] : [wrongSize(path, now, size)];
  });
}

/** Python's note lists all files of the commit, including those that were not downloaded. */
function notedFaults({ files, noted }: ModelContents): FileFault[] {
  return [...files].flatMap(([path, size]) => {
    const expected = noted.get(path);
    return expected === undefined || expected === size ? [] : [wrongSize(path, size, expected)];
  });
}

/** The folder of an engine's weights; `null` for a pipeline of components with a folder each. */
function modelFolder({ files, dangling }: ModelContents): string | null {
  const top = [...files.keys(), ...dangling].filter((path) => !path.includes("/"));
  if (top.some((name) => formatOf(name) !== null || indexFormatOf(name) !== null)) return "";
  return files.has("model_index.json") ? null : "";
}

function judgeFolder(contents: ModelContents, folder: string): Verdict {
  const { files, record } = contents;
  const needed = neededWeights(contents, folder);
  if (needed === null) {
    if (files.has("adapter_config.json") || files.has("adapter_model.safetensors")) {
      return partial("it is an adapter, which an engine loads only with its base model", "base");
    }
    // With filters, the download may have only weights of another kind, or in a folder.
    const others = record?.map(({ path }) => path).filter(isAnyWeight) ?? [];
    if (others.length > 0) return complete(contents, others.flatMap((path) => headFaults(contents, path)));
    const why = record === null
      ? "it has no weights (safetensors, bin, pt, gguf)"
      : "it was downloaded without weights";
    return partial(why, "finish");
  }
  const faults = [
    ...needed.faults,
    ...(needed.formats.includes("gguf") ? [] : configFaults(contents)),
    ...unreadableFaults(contents),
  ];
  return complete(contents, faults);
}

/** A pipeline (`model_index.json`): each folder with weights must be complete. */
function judgeComponents(contents: ModelContents): Verdict {
  const folders = new Set(
    [...contents.files.keys(), ...contents.dangling]
      .map((path) => path.slice(0, path.indexOf("/") + 1)).filter((folder) => folder !== ""),
  );
  const components = [...folders].map((folder) => neededWeights(contents, folder)).filter((one) =>
    one !== null
  );
  if (components.length === 0) return partial("none of its components has weights", "finish");
  return complete(contents, [
    ...components.flatMap((one) => one.faults),
    ...unreadableFaults(contents),
  ]);
}

/** The formats that an engine would load from a folder, and the faults of their files; `null` without weights. */
function neededWeights(
  contents: ModelContents,
  folder: string,
): { readonly formats: readonly WeightFormat[]; readonly faults: readonly FileFault[] } | null {
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
  return {
    formats,
    faults: formats.flatMap((format) =>
      formatFaults(contents, folder, format, members.get(format) ?? [], indexes.get(format) ?? [])
    ),
  };
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
    const text = contents.texts.get(path);
    const shards = text === undefined ? null : shardsOfIndex(text, folder);
    if (shards === null) {
      faults.push(...indexFault(contents, path));
      continue;
    }
    // One of several indexes may be of weights that were left out on purpose.
    if (main === undefined && members.length > 0 && shards.every((one) => !contents.files.has(one))) continue;
    for (const shard of shards) needed.set(shard, `named in ${path}`);
  }
  if (needed.size === 0 && faults.length === 0) {
    for (const [shard, why] of bySetNames(members)) needed.set(`${folder}${shard}`, why);
  }
  for (const [path, why] of needed) faults.push(...weightFaults(contents, path, why));
  return faults;
}

/** Without an index, a shard's name has the number of shards. */
function bySetNames(members: readonly string[]): Map<string, string> {
  const needed = new Map(members.map((name) => [name, ""]));
  for (const set of Map.groupBy(members, setOf).values()) {
    const [one = ""] = set;
    for (const sibling of siblingsOf(one, set.some(isShardZero))) {
      if (!needed.has(sibling)) needed.set(sibling, `${one} is one of its set`);
    }
  }
  return needed;
}

function indexFault(contents: ModelContents, path: string): FileFault[] {
  const faults = headFaults(contents, path);
  if (faults.length > 0) return faults;
  if (!contents.files.has(path)) return [missing(path)];
  return [{ path, kind: "content", reason: `${path} is not an index of shards` }];
}

function weightFaults(contents: ModelContents, path: string, why: string): FileFault[] {
  if (path.split("/").includes("..") || path.startsWith("/")) {
    return [{ path, kind: "content", reason: `${path} (${why}) is outside of the model` }];
  }
  const size = contents.files.get(path);
  if (size === undefined) return [missing(path, why)];
  if (size === 0) return [{ path, kind: "content", reason: `${path} is empty` }];
  return headFaults(contents, path);
}

/** The faults that the first bytes of a file show. */
function headFaults({ files, heads }: ModelContents, path: string): FileFault[] {
  const head = heads.get(path);
  if (head === undefined) return [];
  const size = files.get(path) ?? 0;
  const reason = headReason(path, head, size);
  if (reason === null) return [];
  return [{ path, kind: head.kind === "unreadable" ? "unreadable" : "content", reason: `${path} ${reason}` }];
}

function headReason(path: string, head: Head, size: number): string | null {
  switch (head.kind) {
    case "unreadable":
      return `cannot be read (${head.why})`;
    case "pointer":
      return "is a git-lfs pointer, not the file itself";
    case "html":
      return "is an HTML page";
    case "zeros":
      return isAnyWeight(path) ? "has zeros instead of weights" : null;
    case "safetensors":
      return head.length === size ? null : `has ${size} bytes, and ${head.length} by its header`;
    case "gguf":
      return path.endsWith(".gguf") ? null : "is a GGUF file under another name";
    case "other":
      return path.endsWith(".safetensors")
        ? "does not begin like a safetensors file"
        : path.endsWith(".gguf")
        ? "does not begin like a GGUF file"
        : null;
  }
}

/** `config.json`, or Mistral's `params.json`; GGUF needs neither. */
function configFaults(contents: ModelContents): FileFault[] {
  const path = ["config.json", "params.json"].find((name) => contents.files.has(name));
  if (path === undefined) return [missing("config.json")];
  const heads = headFaults(contents, path);
  if (heads.length > 0) return heads;
  if (contents.files.get(path) === 0) return [{ path, kind: "content", reason: `${path} is empty` }];
  const text = contents.texts.get(path);
  if (text === undefined || isObject(text)) return [];
  return [{ path, kind: "content", reason: `${path} is not a JSON object` }];
}

/** Faults of the engine's other files: unreadable for this user, missing, or with the wrong content. */
function unreadableFaults(contents: ModelContents): FileFault[] {
  const isBeside = (path: string) =>
    !path.includes("/") && isReadByEngine(path) && indexFormatOf(path) === null && !CONFIGS.has(path);
  return [
    ...contents.dangling.filter(isBeside).map((path) => missing(path)),
    ...[...contents.heads.keys()].filter(isBeside).flatMap((path) => headFaults(contents, path)),
  ];
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function complete({ record, files }: ModelContents, faults: readonly FileFault[]): Verdict {
  if (faults.length > 0) {
    return faulty(faults, faults.every(({ kind }) => kind === "unreadable") ? "permissions" : "repair");
  }
  if (record === null) {
    const config = ["config.json", "params.json", "model_index.json"].find((name) => files.has(name));
    return { state: "complete", reason: `${config ?? "a GGUF file"} and all weights are present` };
  }
  const count = record.length === 1 ? "1 file" : `${record.length} files`;
  return { state: "complete", reason: `complete by its manifest: ${count}` };
}

function faulty(faults: readonly FileFault[], remedy: Remedy, why?: string): Verdict {
  const [first] = faults;
  // A missing file first, since other faults may follow from it.
  const shown = faults.find(({ kind }) => kind === "missing") ?? first;
  const more = faults.length > 1 ? `, and ${faults.length - 1} more` : "";
  return {
    state: why === undefined && faults.some(({ kind }) => kind === "missing") ? "partial" : "damaged",
    reason: `${why === undefined ? "" : `${why}: `}${shown?.reason ?? ""}${more}`,
    remedy,
    faults,
  };
}

function partial(reason: string, remedy: Remedy): Verdict {
  return { state: "partial", reason, remedy, faults: [] };
}

function missing(path: string, why = ""): FileFault {
  return { path, kind: "missing", reason: `${path} is missing${why === "" ? "" : ` (${why})`}` };
}

function wrongSize(path: string, now: number, expected: number): FileFault {
  return { path, kind: "size", reason: `${path} has ${now} bytes instead of ${expected}` };
}

import type { Document, ScalarTag } from "yaml";
import { loadLibrary } from "../libraries/load_library.ts";
import { type ConfigMap, type ConfigValue, isList, isMap, isNumberLiteral } from "./value.ts";
import { plainScalar, taggedScalar } from "./yaml_scalar.ts";

/** A place in a text; lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlFault extends Position {
  readonly reason: string;
}

export interface YamlFile {
  /** The top-level mapping; `null` if a fault leaves none. */
  readonly value: ConfigMap | null;
  readonly faults: readonly YamlFault[];
  /** Keys written twice: PyYAML silently takes the last. */
  readonly notes: readonly YamlFault[];
  /** Where the value (with `key`, the key) at a path is, else its nearest parent's key. */
  positionOf(path: Path, key?: "key"): Position;
}

type Path = readonly string[];
type Report = (offset: number, reason: string) => void;
type Library = typeof import("../libraries/yaml.ts");

/** Reads a mapping as PyYAML's `safe_load` does. Never throws: what is wrong is in `faults`. */
export async function readYaml(text: string): Promise<YamlFile> {
  const library = await loadLibrary("yaml");
  // PyYAML's line breaks, as one character each.
  const clean = text.replace(/^\ufeff/, "").replace(/\r\n?|\u0085/g, "\n");
  const at = (offset: number): Position => {
    const before = clean.slice(0, offset).split("\n");
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  };
  let document: Document | null = null;
  const positionOf = (path: Path, key?: "key") => at(offsetAt(library, document, path, key === "key"));
  const faults: YamlFault[] = [];
  const fault: Report = (offset, reason) => void faults.push({ ...at(offset), reason });
  const notes: YamlFault[] = [];
  try {
    refuse(clean, fault);
    const documents = faults.length > 0 ? [] : parse(library, clean);
    for (const { pos, message } of documents.flatMap((one) => [...one.errors, ...one.warnings])) {
      fault(pos[0], message);
    }
    if (documents[1] !== undefined) {
      fault(documents[1].range[0], "a second document begins; only one is allowed");
    }
    document = documents[0] ?? null;
    if (document !== null) {
      check(library, document, clean, fault, (offset, reason) => notes.push({ ...at(offset), reason }));
    }
    if (faults.length === 0) {
      // Scalars as SCALARS resolves them, in arrays and in maps with text keys.
      const value = (document?.toJS({ mapAsMap: true }) ?? null) as ConfigValue;
      const deep = tooDeep(value, []);
      if (deep === null && isMap(value)) return { value, faults, notes, positionOf };
      const found = value === null ? "an empty file" : isList(value) ? "a list" : "a single value";
      if (deep === null) fault(0, `a mapping is expected, not ${found}`);
      else faults.push({ ...positionOf(deep), reason: `it is nested more than ${MAX_DEPTH} levels deep` });
    }
  } catch (thrown) {
    // Too many aliases, or nesting deep enough to overflow the stack.
    fault(0, `it cannot be read as YAML: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  return { value: null, faults, notes: [], positionOf };
}

function parse(library: Library, text: string): Document.Parsed[] {
  const documents = library.parseAllDocuments(text, {
    version: "1.1",
    schema: "failsafe",
    customTags: SCALARS,
    uniqueKeys: false,
    // Strict refuses a closing bracket that is no deeper than its key, which PyYAML accepts.
    strict: false,
    prettyErrors: false,
    logLevel: "silent",
  });
  return Array.isArray(documents) ? documents : [];
}

/** Scalars by PyYAML's rules: merge keys, then unquoted scalars, then tagged ones. */
const SCALARS: (ScalarTag | "merge")[] = [
  "merge",
  { tag: "tag:yaml.org,2002:plain", default: true, test: /^/, resolve: resolver(plainScalar) },
  ...(["null", "bool", "int", "float"] as const).map((name): ScalarTag => ({
    tag: `tag:yaml.org,2002:${name}`,
    resolve: resolver((text) => taggedScalar(name, text)),
  })),
];

function resolver(scalar: typeof plainScalar): ScalarTag["resolve"] {
  return (text, onError) => {
    const means = scalar(text);
    if (!(means instanceof SyntaxError)) return means;
    onError(means.message);
    return null;
  };
}

/** Deeper than any profile, and far from a stack overflow. */
const MAX_DEPTH = 64;

/** Where a value is nested too deep: a chain of aliases nests without brackets. */
function tooDeep(value: ConfigValue, path: Path): Path | null {
  if (path.length > MAX_DEPTH) return path;
  const inner = isMap(value) ? value : isList(value) ? value.entries() : [];
  for (const [key, one] of inner) {
    const found = tooDeep(one, [...path, String(key)]);
    if (found !== null) return found;
  }
  return null;
}

/** Brackets in quotes count too. */
const MAX_BRACKETS = 4 * MAX_DEPTH;

function refuse(text: string, fault: Report): void {
  // PyYAML refuses these (yaml/reader.py, NON_PRINTABLE), and takes line separators as line breaks.
  const at = text.search(/[^\t\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u);
  const code = text.codePointAt(at)?.toString(16).padStart(4, "0").toUpperCase();
  if (at >= 0) return fault(at, `character U+${code} is not allowed in YAML`);
  // The library takes quadratic time to descend into brackets.
  let depth = 0;
  for (const { 0: bracket, index } of text.matchAll(/[[\]{}]/g)) {
    depth = bracket === "[" || bracket === "{" ? depth + 1 : Math.max(0, depth - 1);
    if (depth > MAX_BRACKETS) return fault(index, "it is nested too deep");
  }
}

/** Offset of a key or value; for one that is missing, of the key of its nearest parent. */
function offsetAt(library: Library, document: Document | null, path: Path, wantsKey: boolean): number {
  let [key, node]: [unknown, unknown] = [null, document?.contents];
  for (const step of path) {
    if (library.isAlias(node) && document !== null) node = node.resolve(document);
    const pair = library.isMap(node)
      ? node.items.findLast(({ key }) => library.isScalar(key) && key.value === step)
      : library.isSeq(node)
      ? { key: null, value: node.items[Number(step)] }
      : undefined;
    if (pair === undefined) return offsetOf(library, key ?? node);
    [key, node] = [pair.key ?? pair.value, pair.value];
  }
  return offsetOf(library, (wantsKey ? key : null) ?? node ?? key);
}

function offsetOf(library: Library, node: unknown): number {
  return library.isNode(node) ? node.range?.[0] ?? 0 : 0;
}

/**
 * Finds what the library silently accepts: keys that are not text, keys written twice, aliases inside their
 * own anchor, `'x''` as closed. A number as a key becomes its spelling.
 */
function check(library: Library, document: Document, text: string, fault: Report, note: Report): void {
  library.visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key, value } of items) {
        const at = offsetOf(library, key);
        const scalar = library.isScalar<ConfigValue | symbol>(key) ? key : null;
        const name = scalar?.value;
        // The library's merge key.
        if (typeof name === "symbol") {
          if (library.isScalar(value)) fault(at, "a merge key needs a mapping");
        } else if (scalar !== null && isNumberLiteral(name)) {
          scalar.value = name.text;
        } else if (typeof name !== "string") {
          fault(at, `key ${scalar?.source ?? ""} is not text in YAML 1.1; put it in quotes`);
        }
        if (seen.has(scalar?.value)) {
          note(at, `${JSON.stringify(scalar?.source)} appears twice; the last one counts`);
        }
        seen.add(scalar?.value);
      }
    },
    Alias: (_, alias, path) => {
      const isAnchor = (node: unknown) =>
        (library.isMap(node) || library.isSeq(node)) && node.anchor === alias.source;
      if (path.some(isAnchor)) {
        fault(offsetOf(library, alias), `alias *${alias.source} is inside its own anchor`);
      }
    },
    Scalar: (_, { type, range }) => {
      const quoted = range && type === "QUOTE_SINGLE" ? text.slice(range[0], range[1]) : "''";
      if (range && !/^'(?:[^']|'')*'$/.test(quoted)) fault(range[0], "the closing quote is missing");
    },
  });
}

import type { Alias, Document, LineCounter, Node as YamlNode, Scalar, YAMLMap, YAMLSeq } from "yaml";
import type { ConfigMap, ConfigValue } from "../types.ts";
import { isNumberLiteral } from "../number_literal.ts";
import { type PlainScalar, plainScalar, taggedScalar } from "./plain_scalar.ts";

/** A place in a file; lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Something wrong at a place. */
export interface YamlFault extends Position {
  readonly reason: string;
}

/** What a text holds, and where. */
export interface YamlFile {
  /** The top-level mapping; `null` where a fault leaves none. */
  readonly value: ConfigMap | null;
  /** Faults that make the text unusable. */
  readonly faults: readonly YamlFault[];
  /** What PyYAML takes silently and a careful reader would want to know: a key written twice. */
  readonly notes: readonly YamlFault[];
  /** Where the value (or with `key`, the key) at a path of keys and list indices stands; the nearest parent where it has none. */
  positionOf(path: readonly (string | number)[], key?: "key"): Position;
}

/** Bounds that no profile comes near, far below what takes time or memory. */
const MAX_NODES = 20_000;
const MAX_DEPTH = 64;

type Library = typeof import("./library.ts");

/**
 * Reads a text as PyYAML's `safe_load` does, with the positions of everything in it.
 *
 * Never throws for any text: what is wrong is in `faults`.
 */
export async function readFullYaml(text: string): Promise<YamlFile> {
  const library = await import("./library.ts");
  const lines = new library.LineCounter();
  // What PyYAML counts as a line break, one character each.
  const clean = text.replace(/^\ufeff/, "").replace(/\r\n?|\u0085/g, "\n");
  const refused = refusedCharacter(clean) ?? tooDeep(clean);
  if (refused !== null) return broken([refused]);
  try {
    const documents = parse(library, clean, lines);
    const [document, another] = documents;
    if (document === undefined) return broken([{ line: 1, column: 1, reason: "the file is empty" }]);
    if (another !== undefined) {
      const at = lines.linePos(another.range[0]);
      return broken([{
        line: at.line,
        column: at.col,
        reason: "a second document begins; a profile is one",
      }]);
    }
    return new Reading(library, document, lines, clean).file();
  } catch (thrown) {
    // The library's own recursion on what is nested beyond reason.
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return broken([{ line: 1, column: 1, reason: `it cannot be read as YAML: ${reason}` }]);
  }
}

function parse(library: Library, text: string, lineCounter: LineCounter): Document.Parsed[] {
  const options = {
    // Every scalar stays text; what it means is decided here, by PyYAML's rules.
    schema: "failsafe",
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent",
    stringKeys: false,
  } as const;
  const list = (documents: ReturnType<Library["parseAllDocuments"]>) =>
    (Array.isArray(documents) ? documents : []) as Document.Parsed[];
  const strict = list(library.parseAllDocuments(text, { ...options, lineCounter }));
  const errors = strict.flatMap((document) => document.errors);
  // As PyYAML, take a closing bracket that stands no deeper than its key; the library's lenience takes more than that.
  const brackets = errors.length > 0 &&
    errors.every((error) => error.code === "BAD_INDENT" && /end with a [\]}]$/.test(error.message));
  return brackets ? list(library.parseAllDocuments(text, { ...options, strict: false })) : strict;
}

function broken(faults: readonly YamlFault[]): YamlFile {
  const [first = { line: 1, column: 1 }] = faults;
  const at = { line: first.line, column: first.column };
  return { value: null, faults, notes: [], positionOf: () => at };
}

/** PyYAML's reader takes printable characters only (`yaml/reader.py`, NON_PRINTABLE). */
function refusedCharacter(text: string): YamlFault | null {
  // Line and paragraph separator are line breaks to PyYAML, and to no one who looks at the file.
  const at = text.search(
    /[^\t\n\x20-\x7e\u0085\u00a0-\u2027\u202a-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u,
  );
  if (at < 0) return null;
  const code = (text.codePointAt(at) ?? 0).toString(16).padStart(4, "0").toUpperCase();
  return { ...positionAt(text, at), reason: `character U+${code} is not allowed in YAML` };
}

/** Counts open brackets, quotes or not: the library works its way down recursively, in quadratic time. */
function tooDeep(text: string): YamlFault | null {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth = Math.max(0, depth - 1);
    if (depth > 4 * MAX_DEPTH) return { ...positionAt(text, at), reason: "it is nested too deep" };
  }
  return null;
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const start = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: offset - start + 1 };
}

type Node = YamlNode | null;
type Path = readonly (string | number)[];

interface Place {
  readonly key: number | null;
  readonly value: number;
}

interface Entry {
  readonly key: string;
  readonly keyOffset: number;
  readonly value: Node;
  readonly merged: boolean;
}

/** One document on its way to being a value. */
class Reading {
  readonly #library: Library;
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #text: string;
  readonly #faults: YamlFault[] = [];
  readonly #notes: YamlFault[] = [];
  readonly #places = new Map<string, Place>();
  readonly #anchors = new Map<string, YamlNode>();
  /** Collections being read: an alias to one of them has no end. */
  readonly #inside = new Set<unknown>();
  #nodes = 0;

  constructor(library: Library, document: Document, lines: LineCounter, text: string) {
    this.#text = text;
    this.#library = library;
    this.#document = document;
    this.#lines = lines;
  }

  file(): YamlFile {
    for (const error of this.#document.errors) this.#fault(error.pos[0], error.message);
    this.#collectAnchors();
    this.#findTabs();
    if (/^%YAML +(?!1\.)/m.test(this.#text)) this.#fault(0, "the file is of another version than YAML 1");
    const top = this.#document.contents as Node;
    let value: ConfigMap | null = null;
    if (this.#faults.length === 0) {
      if (this.#library.isMap(top)) {
        this.#places.set("[]", { key: null, value: offsetOf(top) });
        value = this.#map(top, [], 0);
      } else this.#fault(offsetOf(top), `a mapping is expected, not ${nameOf(this.#library, top)}`);
    }
    return {
      value: this.#faults.length === 0 ? value : null,
      faults: this.#faults,
      notes: this.#notes,
      positionOf: (path, key) => this.#positionOf(path, key),
    };
  }

  #positionOf(path: Path, key?: "key"): Position {
    for (let length = path.length; length >= 0; length--) {
      const place = this.#places.get(JSON.stringify(path.slice(0, length)));
      if (place === undefined) continue;
      // Where a parent stands for what is missing in it, its key says which parent.
      const byKey = key === "key" || length < path.length;
      return this.#at(byKey ? place.key ?? place.value : place.value);
    }
    return { line: 1, column: 1 };
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  #fault(offset: number, reason: string): void {
    this.#faults.push({ ...this.#at(offset), reason });
  }

  #collectAnchors(): void {
    this.#library.visit(this.#document, {
      Node: (_, node) => {
        if (this.#library.isAlias(node) || node.anchor === undefined) return;
        if (this.#anchors.has(node.anchor)) {
          this.#fault(offsetOf(node), `anchor &${node.anchor} is there twice`);
        }
        this.#anchors.set(node.anchor, node);
      },
    });
  }

  /** PyYAML takes a tab inside quotes, block text and comments only: anywhere else it cannot start a token, nor go on in one. */
  #findTabs(): void {
    if (!this.#text.includes("\t")) return;
    const opaque: { start: number; end: number }[] = [];
    this.#library.visit(this.#document, {
      Scalar: (_, { type, range }) => {
        if (type !== "PLAIN" && range) opaque.push({ start: range[0], end: range[1] });
      },
    });
    const inside = (at: number) => opaque.some(({ start, end }) => start <= at && at < end);
    for (let at = this.#text.indexOf("\t"); at >= 0; at = this.#text.indexOf("\t", at + 1)) {
      if (inside(at) || this.#inComment(at, inside)) continue;
      this.#fault(at, "a tab stands where YAML allows spaces only");
      return;
    }
  }

  #inComment(at: number, inside: (at: number) => boolean): boolean {
    const start = this.#text.lastIndexOf("\n", at - 1) + 1;
    for (
      let hash = this.#text.indexOf("#", start);
      hash >= 0 && hash < at;
      hash = this.#text.indexOf("#", hash + 1)
    ) {
      if ((hash === start || /\s/.test(this.#text[hash - 1] ?? "")) && !inside(hash)) return true;
    }
    return false;
  }

  /** Counts a node; false where there are too many or it is too deep: then that has been said, and the node is left out. */
  #enter(offset: number, depth: number): boolean {
    if (++this.#nodes > MAX_NODES) {
      if (this.#nodes === MAX_NODES + 1) this.#fault(offset, `it unfolds to more than ${MAX_NODES} values`);
      return false;
    }
    if (depth <= MAX_DEPTH) return true;
    this.#fault(offset, `it is nested more than ${MAX_DEPTH} deep`);
    return false;
  }

  #value(node: Node, path: Path, depth: number, keyOffset: number | null): ConfigValue {
    const offset = node === null ? keyOffset ?? 0 : offsetOf(node);
    this.#places.set(JSON.stringify(path), { key: keyOffset, value: offset });
    if (!this.#enter(offset, depth)) return null;
    const target = this.#follow(node);
    if (target === null) return null;
    if (this.#library.isMap(target)) return this.#map(target, path, depth);
    if (this.#library.isSeq(target)) return this.#list(target, path, depth);
    const means = this.#scalar(target as Scalar);
    if (means.kind === "merge") this.#fault(offset, '"<<" is a merge key, not a value; put it in quotes');
    return means.kind === "value" ? means.value : null;
  }

  /** The node, or what it is an alias for; `null` for an alias without sense, which is then a fault. */
  #follow(node: Node): Node {
    if (!this.#library.isAlias(node)) return node;
    const alias: Alias = node;
    const target = this.#anchors.get(alias.source);
    const offset = offsetOf(alias);
    if (target === undefined || offsetOf(target) > offset) {
      this.#fault(offset, `alias *${alias.source} has no anchor before it`);
    } else if (this.#inside.has(target)) {
      this.#fault(offset, `alias *${alias.source} stands inside its own anchor`);
    } else return target;
    return null;
  }

  #list(node: YAMLSeq, path: Path, depth: number): ConfigValue[] {
    if (!this.#tagIs(node, "seq")) return [];
    this.#inside.add(node);
    const list = node.items.map((item, index) =>
      this.#value(item as Node, [...path, index], depth + 1, null)
    );
    this.#inside.delete(node);
    return list;
  }

  #map(node: YAMLMap, path: Path, depth: number): ConfigMap {
    const map = new Map<string, ConfigValue>();
    if (!this.#tagIs(node, "map")) return map;
    this.#inside.add(node);
    const own = new Set<string>();
    for (const entry of this.#entries(node, depth)) {
      if (!entry.merged && own.has(entry.key)) {
        this.#notes.push({
          ...this.#at(entry.keyOffset),
          reason: `${JSON.stringify(entry.key)} is there twice; the last one counts`,
        });
      }
      if (!entry.merged) own.add(entry.key);
      map.set(entry.key, this.#value(entry.value, [...path, entry.key], depth + 1, entry.keyOffset));
    }
    this.#inside.delete(node);
    return map;
  }

  /** A mapping's entries in the order in which PyYAML constructs them: those of merge keys first. */
  #entries(node: YAMLMap, depth: number): Entry[] {
    const merged: Entry[] = [];
    const own: Entry[] = [];
    for (const { key, value } of node.items as { key: Node; value: Node }[]) {
      const offset = offsetOf(key);
      const name = this.#key(key);
      if (this.#spansLines(key)) this.#fault(offset, "a key and its colon must stand on one line");
      if (name.kind === "merge") {
        if (this.#enter(offset, depth)) merged.push(...this.#merged(value, depth + 1));
      } else if (name.kind === "key") own.push({ key: name.key, keyOffset: offset, value, merged: false });
    }
    return [...merged, ...own];
  }

  /** A key whose colon comes lines later, which only `?` allows. */
  #spansLines(key: Node): boolean {
    const range = key?.range;
    if (!range) return false;
    const colon = this.#text.indexOf(":", range[1]);
    if (colon < 0 || !this.#text.slice(range[0], colon).includes("\n")) return false;
    const before = this.#text.slice(this.#text.lastIndexOf("\n", range[0] - 1) + 1, range[0]);
    // Without a colon of its own (`{a, b}`) something else follows the key.
    return !/\?\s*$/.test(before) && /^\s*$/.test(this.#text.slice(range[1], colon).replace(/#.*/g, ""));
  }

  #merged(node: Node, depth: number): Entry[] {
    const target = this.#follow(node);
    if (target === null) return [];
    if (!this.#enter(offsetOf(node), depth)) return [];
    if (this.#library.isMap(target)) {
      this.#inside.add(target);
      const entries = this.#entries(target, depth).map((entry) => ({ ...entry, merged: true }));
      this.#inside.delete(target);
      // Each costs what a value costs, or merges of merges would unfold unseen.
      return entries.filter((entry) => this.#enter(entry.keyOffset, depth));
    }
    if (this.#library.isSeq(target)) {
      const items = target.items as Node[];
      const wrong = items.find((item) => !this.#library.isMap(this.#follow(item)));
      // The first of the list wins, so it comes last.
      if (wrong === undefined) return items.toReversed().flatMap((item) => this.#merged(item, depth + 1));
    }
    this.#fault(offsetOf(node), "a merge key takes a mapping or a list of mappings");
    return [];
  }

  #key(node: Node): { kind: "key"; key: string } | { kind: "merge" } | { kind: "fault" } {
    const target = this.#follow(node);
    if (target === null || !this.#library.isScalar(target)) {
      this.#fault(offsetOf(node), "a key must be a text");
      return { kind: "fault" };
    }
    const plain = target.type === "PLAIN" && target.tag === undefined;
    if (plain && target.value === "=") return { kind: "key", key: "=" };
    const means = this.#scalar(target);
    if (means.kind !== "value") return means.kind === "merge" ? means : { kind: "fault" };
    if (typeof means.value === "string") return { kind: "key", key: means.value };
    if (isNumberLiteral(means.value)) return { kind: "key", key: means.value.text };
    this.#fault(
      offsetOf(node),
      target.value === ""
        ? "a key is missing"
        : `key ${String(target.value)} is ${
          means.value === null ? "null" : "a boolean"
        } in YAML 1.1; put it in quotes`,
    );
    return { kind: "fault" };
  }

  #scalar(node: Scalar): PlainScalar {
    const text = this.#textOf(node);
    if (!this.#isClosed(node)) this.#fault(offsetOf(node), "the closing quote is missing");
    const means = node.tag !== undefined && !(node.tag === "!" && node.type === "PLAIN")
      ? taggedScalar(node.tag, text)
      : node.type === "PLAIN"
      ? plainScalar(text)
      : { kind: "value" as const, value: text };
    if (means === null) {
      const reason = `tag ${node.tag} is not known here`;
      this.#fault(offsetOf(node), reason);
      return { kind: "fault", reason };
    }
    if (means.kind === "fault") this.#fault(offsetOf(node), means.reason);
    return means;
  }

  /** The library takes `'1''` at a line's end for a whole. */
  #isClosed({ type, range }: Scalar): boolean {
    if (!range || (type !== "QUOTE_SINGLE" && type !== "QUOTE_DOUBLE")) return true;
    const source = this.#text.slice(range[0], range[1]);
    return (type === "QUOTE_SINGLE" ? /^'(?:[^']|'')*'$/ : /^"(?:[^"\\]|\\[^])*"$/).test(source);
  }

  #textOf(node: Scalar): string {
    const text = typeof node.value === "string" ? node.value : node.source ?? "";
    // Where the file ends without a line break, so does the block text that ends it.
    const block = node.type === "BLOCK_LITERAL" || node.type === "BLOCK_FOLDED";
    const cut = block && !this.#text.endsWith("\n") && (node.range?.[1] ?? 0) >= this.#text.length;
    return cut ? text.replace(/\n$/, "") : text;
  }

  #tagIs(node: YAMLMap | YAMLSeq, name: "map" | "seq"): boolean {
    if (node.tag === undefined || node.tag === "!" || node.tag === `tag:yaml.org,2002:${name}`) return true;
    this.#fault(offsetOf(node), `tag ${node.tag} is not known here`);
    return false;
  }
}

function offsetOf(node: Node): number {
  return node?.range?.[0] ?? 0;
}

function nameOf(library: Library, node: Node): string {
  if (node === null || (library.isScalar(node) && node.value === "")) return "an empty file";
  return library.isSeq(node) ? "a list" : "a single value";
}

import { AimError } from "../errors/aim_error.ts";
import { numberLiteral } from "../profiles/number_literal.ts";
import type { ConfigMap, ConfigValue } from "../profiles/types.ts";

/** Options of {@linkcode parseEngineArgsJson}. */
export interface ParseEngineArgsOptions {
  /** How messages name the setting. @default {"AIM_ENGINE_ARGS"} */
  name?: string;
}

/**
 * Reads engine arguments from a JSON object. Numbers keep their spelling and keys their order, `"10"` before `"2"` too,
 * which `JSON.parse` does not grant.
 *
 * @throws {AimError} `usage`: not JSON, not an object, a key twice in one object, or nested beyond reason.
 */
export function parseEngineArgsJson(text: string, options: ParseEngineArgsOptions = {}): ConfigMap {
  const name = options.name ?? "AIM_ENGINE_ARGS";
  const bad = (what: string) =>
    new AimError("usage", `${name} is ${what}`, {
      hint: `give one JSON object, as '{"max-model-len": 8192}'`,
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw bad(`not JSON (${cause instanceof Error ? cause.message : String(cause)})`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw bad(`${Array.isArray(parsed) ? "a list" : JSON.stringify(parsed)}, not an object`);
  }
  const reader = new Reader(text, (what) => bad(`not usable: ${what}`));
  return reader.object(0);
}

// Deeper than any argument of an engine, far from the stack's end.
const MAX_DEPTH = 64;

/** Walks text that JSON.parse has found valid. */
class Reader {
  readonly #text: string;
  readonly #fail: (what: string) => AimError;
  #at = 0;

  constructor(text: string, fail: (what: string) => AimError) {
    this.#text = text;
    this.#fail = fail;
  }

  object(depth: number): ConfigMap {
    if (depth > MAX_DEPTH) throw this.#fail(`it is nested more than ${MAX_DEPTH} deep`);
    const map = new Map<string, ConfigValue>();
    this.#take("{");
    if (this.#skip() === "}") return this.#take("}"), map;
    for (;;) {
      this.#skip();
      const key = this.#string();
      if (map.has(key)) throw this.#fail(`it has ${JSON.stringify(key)} twice`);
      this.#skip();
      this.#take(":");
      map.set(key, this.#value(depth + 1));
      if (this.#skip() === "}") return this.#take("}"), map;
      this.#take(",");
    }
  }

  #list(depth: number): ConfigValue[] {
    if (depth > MAX_DEPTH) throw this.#fail(`it is nested more than ${MAX_DEPTH} deep`);
    const list: ConfigValue[] = [];
    this.#take("[");
    if (this.#skip() === "]") return this.#take("]"), list;
    for (;;) {
      list.push(this.#value(depth + 1));
      if (this.#skip() === "]") return this.#take("]"), list;
      this.#take(",");
    }
  }

  #value(depth: number): ConfigValue {
    switch (this.#skip()) {
      case "{":
        return this.object(depth);
      case "[":
        return this.#list(depth);
      case '"':
        return this.#string();
      case "t":
        return this.#match(/true/y), true;
      case "f":
        return this.#match(/false/y), false;
      case "n":
        return this.#match(/null/y), null;
      default: {
        const number = this.#match(/-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y);
        return numberLiteral(Number(number), number);
      }
    }
  }

  #string(): string {
    return JSON.parse(this.#match(/"(?:[^"\\]|\\.)*"/y));
  }

  /** Goes past white space; the character there. */
  #skip(): string {
    this.#match(/[ \t\r\n]*/y);
    return this.#text[this.#at] ?? "";
  }

  #take(character: string): void {
    if (this.#skip() !== character) throw this.#fail(`${character} is missing at ${this.#at}`);
    this.#at++;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw this.#fail(`it has something unforeseen at ${this.#at}`);
    this.#at += found.length;
    return found;
  }
}

// JSON.parse with source text access, which V8 has and TypeScript's library does not describe yet.

interface JSON {
  parse(
    text: string,
    reviver: (this: unknown, key: string, value: unknown, context: { readonly source: string }) => unknown,
  ): unknown;
  /** A primitive that `JSON.stringify` writes as `text`. @throws {SyntaxError} `text` is not JSON. */
  rawJSON(text: string): unknown;
}

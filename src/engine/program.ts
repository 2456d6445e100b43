/** A program to become. */
export interface Program {
  readonly path: string;
  /** With the program's own name first. */
  readonly argv: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

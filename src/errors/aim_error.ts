import { type ErrorKind, EXIT_CODES } from "./exit_codes.ts";

/** A known failure: one line for the user (what failed, the value, what to do next) and an exit code. */
export class AimError extends Error {
  override readonly name = "AimError";
  readonly kind: ErrorKind;
  /** What the user can do next: an imperative clause without a full stop. */
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options);
    this.kind = kind;
    this.hint = options.hint;
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind].code;
  }

  /** The line to print: message and hint. Line breaks in values become `\n`. */
  get line(): string {
    const text = this.hint === undefined ? this.message : `${this.message}; ${this.hint}`;
    return text.replaceAll("\r", "\\r").replaceAll("\n", "\\n");
  }
}

/** The terminal or file that text is laid out for. */
export interface Page {
  readonly colour: boolean;
  /** Maximum characters in a line; `Infinity` without a terminal. */
  readonly width: number;
}

// Noncharacters (Unicode 23.7) replace escape sequences until the text is written: they survive the escaping
// of control characters, and each counts as one character.
const SEQUENCES: Readonly<Record<string, string>> = {
  "\ufdd0": "\x1b[1m",
  "\ufdd1": "\x1b[22m",
  "\ufdd2": "\x1b[2m",
  "\ufdd3": "\x1b[31m",
  "\ufdd4": "\x1b[32m",
  "\ufdd5": "\x1b[33m",
  "\ufdd6": "\x1b[39m",
};
const MARKS = /[\ufdd0-\ufdd6]/g;

/** ANSI styles (ECMA-48 SGR), or none. */
export function style(colour: boolean) {
  const wrap = (start: string, end: string) => (text: string) => colour ? start + text + end : text;
  return {
    bold: wrap("\ufdd0", "\ufdd1"),
    dim: wrap("\ufdd2", "\ufdd1"),
    red: wrap("\ufdd3", "\ufdd6"),
    green: wrap("\ufdd4", "\ufdd6"),
    yellow: wrap("\ufdd5", "\ufdd6"),
  };
}

/** Turns the marks of {@linkcode style} into escape sequences. */
export function withColours(text: string): string {
  return text.replace(MARKS, (mark) => SEQUENCES[mark] ?? "");
}

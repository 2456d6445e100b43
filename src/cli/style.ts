// Noncharacters (Unicode 23.7) stand for escape sequences until the text is written: they survive the
// escaping of control characters, and each counts as one character.
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

const marked = (start: string, end: string) => (text: string) => start + text + end;
export const bold = marked("\ufdd0", "\ufdd1");
export const dim = marked("\ufdd2", "\ufdd1");
export const red = marked("\ufdd3", "\ufdd6");
export const green = marked("\ufdd4", "\ufdd6");
export const yellow = marked("\ufdd5", "\ufdd6");

/** Replaces the styles' marks with escape sequences (ECMA-48 SGR), or removes them. */
export function withStyles(text: string, colour: boolean): string {
  return text.replace(MARKS, (mark) => colour ? SEQUENCES[mark] ?? "" : "");
}

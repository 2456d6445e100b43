/** Marks up text for a terminal; without colour it is left as it is. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** ANSI styles (ECMA-48 SGR), or none. */
export function style(colour: boolean): Style {
  const wrap = (code: number, end: number) => (text: string) =>
    colour ? `\x1b[${code}m${text}\x1b[${end}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
  };
}

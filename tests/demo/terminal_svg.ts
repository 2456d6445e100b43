/** Text of one style. */
export interface Span {
  readonly text: string;
  /** Active SGR codes: 1 bold, 2 dim, 31 to 36 colours. */
  readonly style: readonly number[];
}

/** A line of a terminal. */
export type Line = readonly Span[];

/** The lines that a terminal shows at the end: redrawn lines once, long lines wrapped. */
export function terminalLines(output: string, columns: number): Line[] {
  const lines: Span[][] = [[]];
  let at = 0;
  let style: readonly number[] = [];
  // deno-lint-ignore no-control-regex
  for (const token of output.match(/\x1b\[[?\d;]*[A-Za-z]|\n|\r|[^\x1b\n\r]+/g) ?? []) {
    const escape = /^.\[([?\d;]*)([A-Za-z])$/.exec(token);
    if (token === "\n") lines[++at] ??= [];
    else if (escape?.[2] === "A") at = Math.max(0, at - Number(escape[1] || "1"));
    else if (escape?.[2] === "J") lines.splice(at, Infinity, []);
    else if (escape?.[2] === "m") style = styleAfter(style, escape[1] ?? "");
    else if (!token.startsWith("\x1b") && token !== "\r") lines[at]?.push({ text: token, style });
  }
  while (lines.at(-1)?.length === 0) lines.pop();
  return lines.flatMap((line) => folded(line, columns));
}

function styleAfter(style: readonly number[], codes: string): readonly number[] {
  const all = codes.split(";").map(Number);
  return all.includes(0) || codes === "" ? all.filter((code) => code !== 0) : [...style, ...all];
}

function folded(line: Line, columns: number): Line[] {
  const rows: Span[][] = [[]];
  let used = 0;
  for (const { text, style } of line) {
    for (let rest = text; rest !== "";) {
      if (used === columns) {
        rows.push([]);
        used = 0;
      }
      const part = rest.slice(0, columns - used);
      rows.at(-1)?.push({ text: part, style });
      used += part.length;
      rest = rest.slice(part.length);
    }
  }
  return rows;
}

const [WIDTH, HEIGHT, PADDING] = [7.8, 17, 14];
/** Seconds until the next line: long for a command, which is typed and read, short for output. */
const PAUSE = { command: 0.9, comment: 1.3, output: 0.09, end: 6 };

/** An animated SVG of lines that scroll as in a terminal, in a loop. Uses the reader's fonts. */
export function renderTerminal(lines: readonly Line[], size: { columns: number; rows: number }): string {
  const [width, height] = [size.columns * WIDTH + 2 * PADDING, size.rows * HEIGHT + 2 * PADDING];
  const texts = lines.map((line) => line.map((span) => span.text).join(""));
  const pauses = texts.map((text) =>
    text.startsWith("$ ") ? PAUSE.command : text.startsWith("# ") ? PAUSE.comment : PAUSE.output
  );
  const total = pauses.reduce((sum, pause) => sum + pause, 0) + PAUSE.end;
  let time = 0;
  const frames = pauses.map((pause, index) => {
    const frame = `${(time / total * 100).toFixed(3)}%{transform:translateY(${
      (size.rows - 1 - index) * HEIGHT
    }px)}`;
    time += pause;
    return frame;
  });
  const last = `100%{transform:translateY(${(size.rows - lines.length) * HEIGHT}px)}`;
  const rows = lines.map((line, index) =>
    `<text y="${index * HEIGHT}">${line.map(({ text, style }) => span(text, style)).join("")}</text>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" xml:space="preserve" role="img" aria-label="A terminal in which the demo runs">
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6deeb;white-space:pre}
.b{font-weight:bold;fill:#ffffff}.d{fill:#8794a8}.c{fill:#7fdbca}.r{fill:#ff7a85}.g{fill:#a5e887}.y{fill:#ecc48d}
#s{animation:s ${total.toFixed(1)}s step-end infinite}
@keyframes s{${frames.join("")}${last}}
@media (prefers-reduced-motion:reduce){#s{animation:none}}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0f1724"/>
<clipPath id="w"><rect x="${PADDING}" y="${PADDING}" width="${width - 2 * PADDING}" height="${
    height - 2 * PADDING
  }"/></clipPath>
<g clip-path="url(#w)"><g transform="translate(${PADDING} ${PADDING + HEIGHT - 4})"><g id="s">
${rows.join("\n")}
</g></g></g>
</svg>
`;
}

const CLASSES: Readonly<Record<number, string>> = { 1: "b", 2: "d", 31: "r", 32: "g", 33: "y", 36: "c" };

function span(text: string, style: readonly number[]): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const classes = style.flatMap((code) => CLASSES[code] ?? []).join(" ");
  return classes === "" ? escaped : `<tspan class="${classes}">${escaped}</tspan>`;
}

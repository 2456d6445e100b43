import { bold } from "./style.ts";

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** Left out on a narrow terminal, the highest first; 0: never. @default {0} */
  readonly expendable?: number;
  /** Width to which it may be cut before any column is left out. @default {uncut} */
  readonly least?: number;
  /** Width to which it may be cut after columns were left out. @default {uncut} */
  readonly atLast?: number;
  readonly right?: boolean;
}

const GAP = 2;

/**
 * A line of titles and a line per row, which `paint` colours. No line is wider than `width`. Empty columns
 * are left out. Without rows, there are no lines.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
  paint: (row: Row, line: string) => string = (_, line) => line,
): string[] {
  if (rows.length === 0) return [];
  let shown = columns.map((column) => {
    const cells = rows.map(column.text);
    const size = Math.max(column.title.length, ...cells.map((cell) => cell.length));
    return { ...column, cells, size, least: Math.min(size, column.least ?? size) };
  }).filter(({ cells }) => cells.some((cell) => cell !== ""));
  const total = (size: "size" | "least") => shown.reduce((sum, column) => sum + column[size] + GAP, -GAP);
  while (total("least") > width) {
    const most = Math.max(...shown.map(({ expendable = 0 }) => expendable));
    if (most === 0) break;
    shown = shown.filter(({ expendable }) => expendable !== most);
  }
  // Cuts columns, starting with the last.
  let over = total("size") - width;
  const cut = (column: (typeof shown)[number], to: number) => {
    const less = Math.max(0, Math.min(over, column.size - to));
    over -= less;
    column.size -= less;
  };
  for (const column of shown.toReversed()) cut(column, column.least);
  for (const column of shown) cut(column, column.atLast ?? Infinity);
  const line = (text: (column: (typeof shown)[number]) => string) => {
    const cells = shown.map((column) => {
      const cell = clip(text(column), column.size);
      return column.right ? cell.padStart(column.size) : cell.padEnd(column.size);
    });
    return clip(cells.join(" ".repeat(GAP)).trimEnd(), width);
  };
  return [
    bold(line(({ title }) => title)),
    ...rows.map((row, at) => paint(row, line(({ cells }) => cells[at] ?? ""))),
  ];
}

/** Cuts text to a width, with two dots at the cut. */
export function clip(text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 2 ? text.slice(0, Math.max(0, width)) : `${text.slice(0, width - 2)}..`;
}

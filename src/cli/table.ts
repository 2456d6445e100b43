import { type Page, style } from "./style.ts";

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** Left out on a narrow terminal, the highest first; 0: never. @default {0} */
  readonly expendable?: number;
  /** Minimum characters, to which it may be cut before columns are left out. @default {uncut} */
  readonly least?: number;
  /** Minimum characters, to which it may be cut after columns are left out. @default {uncut} */
  readonly atLast?: number;
  readonly right?: boolean;
}

const GAP = 2;

/**
 * A line of titles, and a line for each row. No line is wider than the page. A column without any text is left
 * out; without rows there are no lines.
 *
 * @param paint Colours the line of a row.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { width, colour }: Page,
  paint: (row: Row, line: string) => string = (_, line) => line,
): string[] {
  if (rows.length === 0) return [];
  const natural = (column: Column<Row>) =>
    Math.max(column.title.length, ...rows.map((row) => column.text(row).length));
  const least = (column: Column<Row>) => Math.min(natural(column), column.least ?? Infinity);
  const total = (of: readonly Column<Row>[], size: (column: Column<Row>) => number) =>
    of.reduce((sum, column) => sum + size(column) + GAP, -GAP);
  let shown = columns.filter((column) => rows.some((row) => column.text(row) !== ""));
  while (total(shown, least) > width) {
    const most = Math.max(...shown.map((column) => column.expendable ?? 0));
    if (most === 0) break;
    shown = shown.filter((column) => column.expendable !== most);
  }
  // Cuts columns, the last ones first.
  let over = total(shown, natural) - width;
  const widths = new Map(shown.map((column) => [column, natural(column)]));
  const cut = (column: Column<Row>, to: number) => {
    const size = widths.get(column) ?? 0;
    const less = Math.max(0, Math.min(over, size - to));
    over -= less;
    widths.set(column, size - less);
  };
  for (const column of shown.toReversed()) cut(column, least(column));
  for (const column of shown) cut(column, column.atLast ?? Infinity);
  const line = (text: (column: Column<Row>) => string) =>
    clip(
      shown.map((column) => {
        const size = widths.get(column) ?? 0;
        const cell = clip(text(column), size);
        return column.right ? cell.padStart(size) : cell.padEnd(size);
      }).join(" ".repeat(GAP)).trimEnd(),
      width,
    );
  return [
    style(colour).bold(line((column) => column.title)),
    ...rows.map((row) => paint(row, line((column) => column.text(row)))),
  ];
}

/** Cuts text to a width, with two dots at the cut. */
export function clip(text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 2 ? text.slice(0, Math.max(0, width)) : `${text.slice(0, width - 2)}..`;
}

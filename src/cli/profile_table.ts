import type { JudgedProfile, Profile } from "../profiles/types.ts";
import { style } from "./style.ts";

/** A profile to show; `judged` `null` where compatibility was not looked at. */
export interface ProfileRow {
  readonly profile: Profile;
  readonly judged: JudgedProfile | null;
  /** The one that would be served. */
  readonly selected: boolean;
}

/** Options of {@linkcode profileTable}. */
export interface ProfileTableOptions {
  /** Columns of the terminal; `Infinity` where there is none. */
  width: number;
  colour: boolean;
  /** Also model and path. */
  verbose: boolean;
}

interface Column {
  readonly title: string;
  readonly text: (row: ProfileRow) => string;
  /** Given up where the terminal is narrow, the highest first; 0: never. */
  readonly expendable: number;
}

const KINDS = { 1: "custom", 2: "model", 3: "general" } as const;

const COLUMNS: readonly Column[] = [
  { title: "", text: (row) => (row.selected ? "*" : " "), expendable: 0 },
  { title: "PROFILE", text: ({ profile }) => profile.id, expendable: 0 },
  { title: "ACCELERATOR", text: ({ profile }) => profile.metadata.acceleratorModel, expendable: 3 },
  { title: "TP", text: ({ profile }) => String(profile.metadata.acceleratorCount), expendable: 3 },
  { title: "PRECISION", text: ({ profile }) => profile.metadata.precision, expendable: 4 },
  { title: "METRIC", text: ({ profile }) => profile.metadata.metric, expendable: 5 },
  { title: "TYPE", text: ({ profile }) => profile.metadata.type, expendable: 2 },
  { title: "FROM", text: ({ profile }) => `${KINDS[profile.priority]}/${profile.origin}`, expendable: 6 },
  { title: "AUTO", text: (row) => (isManual(row) ? "no" : "yes"), expendable: 1 },
];
const STATE: Column = { title: "STATE", text: ({ judged }) => judged?.state ?? "", expendable: 0 };
const REASON: Column = { title: "REASON", text: ({ judged }) => judged?.reason ?? "", expendable: 7 };
const VERBOSE: readonly Column[] = [
  { title: "MODEL", text: ({ profile }) => profile.modelId ?? "-", expendable: 8 },
  { title: "PATH", text: ({ profile }) => profile.path, expendable: 9 },
];

// A reason shorter than this says nothing.
const LEAST_REASON = 24;

/**
 * Profiles as a table, one a line. On a narrow terminal the reason is cut short, then columns go, the least telling first; id
 * and state stay.
 */
export function profileTable(rows: readonly ProfileRow[], options: ProfileTableOptions): string {
  const judged = rows.some((row) => row.judged !== null);
  let columns = [
    ...COLUMNS,
    ...(judged ? [STATE, REASON] : []),
    ...(options.verbose ? VERBOSE : []),
  ];
  const widthOf = (column: Column) =>
    Math.max(column.title.length, ...rows.map((row) => column.text(row).length));
  const total = (of: readonly Column[]) =>
    of.reduce((sum, column) => sum + (column === REASON ? LEAST_REASON : widthOf(column)) + 2, -2);
  while (total(columns) > options.width) {
    const most = Math.max(...columns.map((column) => column.expendable));
    if (most === 0) break;
    columns = columns.filter((column) => column.expendable !== most);
  }
  const others = total(columns.filter((column) => column !== REASON)) + 2;
  const widths = new Map(columns.map((column) => {
    const room = column === REASON ? Math.max(LEAST_REASON, options.width - others) : Infinity;
    return [column, Math.min(widthOf(column), room)];
  }));
  const line = (text: (column: Column) => string) =>
    columns.map((column) => fit(text(column), widths.get(column) ?? 0)).join("  ").trimEnd();
  const { bold, dim, green } = style(options.colour);
  const paint = (row: ProfileRow, text: string) =>
    row.selected ? bold(green(text)) : row.judged?.state === "compatible" ? green(text) : dim(text);
  return [
    bold(line((column) => column.title)),
    ...rows.map((row) => {
      const text = line((column) => column.text(row));
      return row.judged === null ? text : paint(row, text);
    }),
    "",
  ].join("\n");
}

/** Never taken automatically. */
export function isManual({ profile, judged }: ProfileRow): boolean {
  return judged?.manualOnly ?? profile.metadata.manualSelectionOnly;
}

function fit(text: string, width: number): string {
  return text.length <= width ? text.padEnd(width) : `${text.slice(0, width - 1)}…`;
}

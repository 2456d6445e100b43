import type { JudgedProfile, Profile } from "../profiles/types.ts";
import type { MemoryFit } from "../serve/memory_fit.ts";
import { type Page, style } from "./style.ts";
import { type Column, table } from "./table.ts";

/** A profile to show; `judged` is `null` if compatibility was not checked. */
export interface ProfileRow {
  readonly profile: Profile;
  readonly judged: JudgedProfile | null;
  /** Its model against the GPUs' memory; `null` if it is not cached or the profile does not fit. */
  readonly memory: MemoryFit | null;
  /** It would be served. */
  readonly selected: boolean;
}

const KINDS = { 1: "custom", 2: "model", 3: "general" } as const;

const COLUMNS: readonly Column<ProfileRow>[] = [
  { title: "", text: (row) => (row.selected ? "*" : " ") },
  { title: "PROFILE", text: ({ profile }) => profile.id, atLast: 22 },
  { title: "ACCELERATOR", text: ({ profile }) => profile.metadata.acceleratorModel, expendable: 3 },
  { title: "TP", text: (row) => String(row.profile.metadata.acceleratorCount), expendable: 3, right: true },
  { title: "PRECISION", text: ({ profile }) => profile.metadata.precision, expendable: 4 },
  { title: "METRIC", text: ({ profile }) => profile.metadata.metric, expendable: 5 },
  { title: "TYPE", text: ({ profile }) => profile.metadata.type, expendable: 2 },
  {
    title: "FROM",
    text: ({ profile }) =>
      `${KINDS[profile.priority]}/${profile.path.startsWith("embedded:") ? "embedded" : "disk"}`,
    expendable: 6,
  },
  { title: "AUTO", text: (row) => (isManual(row) ? "no" : "yes"), expendable: 1 },
];
const STATE: Column<ProfileRow> = { title: "STATE", text: stateInWords, atLast: 12 };
const MEMORY: Column<ProfileRow> = { title: "MEMORY", text: needInWords, expendable: 5 };
const REASON: Column<ProfileRow> = {
  title: "REASON",
  text: ({ judged }) => judged?.reason ?? "",
  expendable: 7,
  least: 24,
};
const VERBOSE: readonly Column<ProfileRow>[] = [
  { title: "MODEL", text: ({ profile }) => profile.modelId ?? "-", expendable: 8 },
  { title: "PATH", text: ({ profile }) => profile.path, expendable: 9 },
];

/**
 * Profiles as a table, with fewer columns on a narrow terminal.
 *
 * @param verbose Also model and path.
 */
export function profileTable(rows: readonly ProfileRow[], page: Page, verbose: boolean): string {
  const judged = rows.some((row) => row.judged !== null);
  const columns = [
    ...COLUMNS,
    ...(judged ? [STATE] : []),
    ...(rows.some((row) => row.memory !== null) ? [MEMORY] : []),
    ...(judged ? [REASON] : []),
    ...(verbose ? VERBOSE : []),
  ];
  const { bold, dim, green } = style(page.colour);
  const paint = ({ judged, selected }: ProfileRow, text: string) => {
    if (judged === null) return text;
    if (selected) return bold(green(text));
    return judged.state === "compatible" ? green(text) : dim(text);
  };
  return [...table(columns, rows, page, paint), ""].join("\n");
}

/** The state, and whether its memory is low. */
export function stateInWords({ judged, memory }: ProfileRow): string {
  const low = memory !== null && memory.state !== "fits";
  return `${judged?.state ?? ""}${low ? ", memory low" : ""}`;
}

/** `133 of 173 GiB`: the memory that a GPU needs, of the memory that vLLM may use. */
function needInWords({ memory }: ProfileRow): string {
  if (memory === null) return "";
  const gib = (bytes: number) => Math.round(bytes / 2 ** 30);
  return `${gib(memory.weightBytes + (memory.kvBytes ?? 0))} of ${gib(memory.usableBytes)} GiB`;
}

/** True if it is never selected automatically. */
export function isManual({ profile, judged }: ProfileRow): boolean {
  return judged?.manualOnly ?? profile.metadata.manualSelectionOnly;
}

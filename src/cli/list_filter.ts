import { usedAt } from "../cache/plan_eviction.ts";
import type { ListedFolder } from "../cache/list_models.ts";
import { parseSize } from "../config/parse_setting.ts";
import { AimError } from "../errors/aim_error.ts";

export const SORT_KEYS = ["name", "size", "used"] as const;

type Test = (folder: ListedFolder, now: number) => boolean;

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => a === b,
};

/**
 * Parses a condition: `size>10GiB`, `used>30d` (unused for longer), `name=org/*`, `state=partial`, `layout=hub`.
 *
 * @throws {AimError} `usage`.
 */
export function parseFilter(text: string): Test {
  const match = /^\s*(size|used|name|state|layout)\s*(>=|<=|>|<|=)\s*(\S.*?)\s*$/.exec(text);
  const [, key, operator = "", value = ""] = match ?? [];
  const compare = COMPARE[operator];
  if (compare !== undefined && key === "size") {
    const size = parseSize(value);
    if (size !== null) return ({ diskBytes }) => compare(diskBytes, size);
  }
  if (compare !== undefined && key === "used") {
    const age = parseAge(value);
    if (age !== null) return (folder, now) => compare(now - (usedAt(folder) ?? 0), age);
  }
  if (operator === "=" && key === "name") {
    const pattern = new RegExp(`^${value.split("*").map(RegExp.escape).join(".*")}$`, "i");
    return ({ name }) => pattern.test(name);
  }
  if (operator === "=" && key === "layout") return ({ layout }) => layout === value;
  if (operator === "=" && key === "state") return ({ models }) => models.some(({ state }) => state === value);
  throw new AimError("usage", `--filter is ${JSON.stringify(text)}`, {
    hint: "use size>10GiB, used>30d, name=org/*, state=complete or layout=hub",
  });
}

/** Sorts folders by name, the largest first, or the most recently used first. */
export function sortFolders(folders: readonly ListedFolder[], key: string): ListedFolder[] {
  return folders.toSorted((a, b) =>
    key === "size"
      ? b.diskBytes - a.diskBytes
      : key === "used"
      ? (usedAt(b) ?? 0) - (usedAt(a) ?? 0)
      : a.name < b.name
      ? -1
      : Number(a.name > b.name)
  );
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Milliseconds of `90m`, `12h`, `30d` or `2w`; `null` for other texts. */
export function parseAge(text: string): number | null {
  const [, number, unit] = /^(\d{1,6}(?:\.\d+)?)([mhdw])$/.exec(text) ?? [];
  const ms = unit === undefined ? undefined : UNITS[unit];
  return ms === undefined ? null : Number(number) * ms;
}

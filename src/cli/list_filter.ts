import type { ListedFolder } from "../cache/list_models.ts";
import { usedAt } from "../cache/plan_eviction.ts";
import { parseDuration, parseSize } from "../config/parse_setting.ts";
import { AimError } from "../errors/aim_error.ts";

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
  const match = /^\s*(size|used|name|state|layout)\s*([<>]=?|=)\s*(\S.*?)\s*$/.exec(text);
  const [, key, operator = "", value = ""] = match ?? [];
  const compare = COMPARE[operator];
  const limit = key === "size" ? parseSize(value) : key === "used" ? parseAge(value) : null;
  if (compare !== undefined && limit !== null) {
    if (key === "size") return ({ diskBytes }) => compare(diskBytes, limit);
    return (folder, now) => compare(now - (usedAt(folder) ?? 0), limit);
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

export const SORT_KEYS = ["name", "size", "used"] as const;

/** Sorts folders by name, the largest first, or the most recently used first. */
export function sortFolders(folders: readonly ListedFolder[], key: string): ListedFolder[] {
  if (key === "size") return folders.toSorted((a, b) => b.diskBytes - a.diskBytes);
  if (key === "used") return folders.toSorted((a, b) => (usedAt(b) ?? 0) - (usedAt(a) ?? 0));
  return folders.toSorted((a, b) => a.name < b.name ? -1 : Number(a.name > b.name));
}

/** Milliseconds of `90m`, `12h`, `30d` or `2w`; `null` for other texts. */
export function parseAge(text: string): number | null {
  return /\d[mhdw]$/.test(text) ? parseDuration(text) : null;
}

import { nodeModule } from "../os/node_module.ts";

// Every run writes under its own names, so that a rename by one can never publish bytes that another is still
// writing, even if the lease has failed.
const OWN_NAME = /^(.+)\.aim-([0-9a-f]{8})\.incomplete(\.parts)?$/s;

/** Maximum bytes of a stem: a name may have 255. */
const LONGEST = 200;

/** A new name for this run's partial file. @param staging The placement's `NAME.incomplete`. */
export function ownStaging(staging: string): string {
  const nonce = crypto.randomUUID().slice(0, 8);
  return `${staging.slice(0, staging.lastIndexOf("/") + 1)}${stemOf(staging)}.aim-${nonce}.incomplete`;
}

/** The record of a partial file. */
export function recordPath(partial: string): string {
  return `${partial}.parts`;
}

/** Partial files of earlier runs in a directory, by stem. Records without a file are listed as well. */
export function leftovers(names: Iterable<string>): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const name of names) {
    const stem = OWN_NAME.exec(name)?.[1];
    if (stem === undefined) continue;
    const partial = name.replace(/\.parts$/, "");
    const known = found.get(stem) ?? [];
    if (!known.includes(partial)) found.set(stem, [...known, partial]);
  }
  return found;
}

/** What a partial file's own name starts with: the file's name, or its digest if that is too long. */
export function stemOf(staging: string): string {
  const stem = staging.slice(staging.lastIndexOf("/") + 1).replace(/\.incomplete$/, "");
  // At most three bytes per character, so most names need not be counted.
  if (stem.length * 3 <= LONGEST || new TextEncoder().encode(stem).length <= LONGEST) return stem;
  return nodeModule("node:crypto").createHash("sha256").update(stem).digest("hex");
}

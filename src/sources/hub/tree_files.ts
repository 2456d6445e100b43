import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import type { ManifestFile } from "../manifest.ts";
import { assertSafePath } from "../safe_path.ts";
import { sortedFiles } from "../sorted_files.ts";

/**
 * A file in a hub's list, unchecked. `oid` is git's id of the file, or of its LFS pointer; `etag` is in its place if
 * nothing proves the file.
 */
export type TreeEntry = Readonly<
  Partial<Record<"type" | "path" | "size" | "oid" | "lfs" | "xetHash" | "etag", unknown>>
>;

/** The fields of an unchecked entry; none if it is not an object. */
export function fieldsOf(entry: unknown): TreeEntry {
  return typeof entry === "object" && entry !== null ? entry : {};
}

/**
 * A manifest's files from the entries of a hub's tree. A file in LFS (or xet) is proven by the SHA-256 in its
 * pointer, any other by git's id; that id is also the ETag with which `resolve` answers.
 *
 * @throws {AimError} `integrity` for an unsafe or repeated path; `network` for an invalid entry.
 */
export function treeFiles(
  entries: readonly unknown[],
  wanted: (path: string) => boolean,
  source: string,
): readonly ManifestFile[] {
  const files: ManifestFile[] = [];
  for (const given of entries) {
    const entry = fieldsOf(given);
    if (entry.type === "directory") continue;
    if (typeof entry.path !== "string") throw malformed(source, given, "it has no path");
    if (!wanted(entry.path)) continue;
    if (entry.type !== "file") {
      log.warn(`${source} has ${entry.path}, which is not a regular file: left out`);
      continue;
    }
    files.push(manifestFile(entry, entry.path, source));
  }
  return sortedFiles(files, source);
}

function manifestFile(entry: TreeEntry, named: string, source: string): ManifestFile {
  const path = assertSafePath(named, source);
  const { lfs } = entry;
  if (lfs !== undefined && lfs !== null && typeof lfs !== "object") {
    throw malformed(source, entry, "its lfs is not an object");
  }
  const stored: { oid?: unknown; sha256?: unknown; size?: unknown } | null = lfs ?? null;
  const size = stored?.size ?? entry.size;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(source, entry, "its size is not a number of bytes");
  }
  if (stored === null && entry.oid === undefined && typeof entry.etag === "string") {
    return { path, size, digest: null, etag: entry.etag };
  }
  const id = stored === null ? entry.oid : stored.oid ?? stored.sha256;
  const etag = typeof id === "string" ? id.replace(/^sha256:/, "").toLowerCase() : "";
  const plausible = stored === null ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/;
  if (!plausible.test(etag)) throw malformed(source, entry, "its oid is not a digest");
  return {
    path,
    size,
    digest: { algorithm: stored === null ? "git-sha1" : "sha256", hex: etag },
    etag,
    ...(typeof entry.xetHash === "string" && { xetHash: entry.xetHash }),
  };
}

/** The error for an invalid entry of a list. */
function malformed(source: string, entry: unknown, fault: string): AimError {
  const text = JSON.stringify(entry) ?? String(entry);
  const shown = text.length > 160 ? `${text.slice(0, 160)}...` : text;
  return new AimError("network", `the hub's list of ${source} has an entry ${shown}: ${fault}`, {
    hint: "check HF_ENDPOINT, or leave the file out with --exclude",
  });
}

import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { fieldsOf } from "../../values/json.ts";
import type { ManifestFile } from "../manifest.ts";
import { type ListedFile, sortedFiles } from "../sorted_files.ts";

/**
 * A manifest's files from the entries of a hub's tree. A file in LFS (or xet) is proven by the SHA-256 in its
 * pointer, any other by git's id; that id is also the ETag with which `resolve` answers. If nothing proves a file, its
 * entry has `etag` in the place of `oid`.
 *
 * @param entries Unchecked.
 * @throws {AimError} `integrity` for an unsafe or repeated path; `network` for an invalid entry.
 */
export function treeFiles(
  entries: readonly unknown[],
  wanted: (path: string) => boolean,
  source: string,
): readonly ManifestFile[] {
  const files = entries.flatMap((entry): ListedFile[] => {
    const { type, path } = fieldsOf(entry);
    if (type === "directory") return [];
    if (typeof path !== "string") throw malformed(source, entry, "it has no path");
    if (!wanted(path)) return [];
    if (type === "file") return [listedFile(fieldsOf(entry), path, source)];
    log.warn(`${source} has ${path}, which is not a regular file: left out`);
    return [];
  });
  return sortedFiles(files, source);
}

function listedFile(entry: Readonly<Record<string, unknown>>, path: string, source: string): ListedFile {
  const isLarge = (entry.lfs ?? null) !== null;
  const { oid, sha256, size = entry.size } = isLarge ? fieldsOf(entry.lfs) : entry;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(source, entry, "its size is not a number of bytes");
  }
  if (!isLarge && oid === undefined && typeof entry.etag === "string") {
    return { path, size, digest: null, etag: entry.etag };
  }
  const id = oid ?? sha256;
  const etag = typeof id === "string" ? id.replace(/^sha256:/, "").toLowerCase() : "";
  const plausible = isLarge ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/;
  if (!plausible.test(etag)) throw malformed(source, entry, "its oid is not a digest");
  return {
    path,
    size,
    digest: { algorithm: isLarge ? "sha256" : "git-sha1", hex: etag },
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

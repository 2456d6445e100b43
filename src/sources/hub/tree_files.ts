import type { ListFileEntry } from "@huggingface/hub";
import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import type { ManifestFile } from "../manifest.ts";
import { assertSafePath } from "../safe_path.ts";
import { sortedFiles } from "../sorted_files.ts";

/**
 * A manifest's files from the entries of a hub's tree. A file in LFS (or xet) is proven by the SHA-256 that its pointer names, any
 * other by git's id; that id is also what `resolve` answers as the file's ETag.
 *
 * @throws {AimError} `integrity` for a path that must not be written, or twice; `network` for an entry that makes no sense.
 */
export function treeFiles(
  entries: readonly ListFileEntry[],
  wanted: (path: string) => boolean,
  source: string,
): readonly ManifestFile[] {
  const files: ManifestFile[] = [];
  for (const entry of entries) {
    if (entry.type === "directory" || !wanted(entry.path)) continue;
    if (entry.type !== "file") {
      log.warn(`${source} has ${entry.path}, which is no file: left out`);
      continue;
    }
    files.push(manifestFile(entry, source));
  }
  return sortedFiles(files, source);
}

function manifestFile(entry: ListFileEntry, source: string): ManifestFile {
  const path = assertSafePath(entry.path, source);
  const size = entry.lfs?.size ?? entry.size;
  const sha256 = entry.lfs?.oid.replace(/^sha256:/, "").toLowerCase();
  const etag = sha256 ?? entry.oid ?? "";
  const plausible = sha256 === undefined ? /^[0-9a-f]{40}$/.test(etag) : /^[0-9a-f]{64}$/.test(etag);
  if (!Number.isSafeInteger(size) || size < 0 || !plausible) {
    throw new AimError("network", `${source}: the hub says nothing usable of ${JSON.stringify(path)}`, {
      hint: "check HF_ENDPOINT",
    });
  }
  return {
    path,
    size,
    digest: { algorithm: sha256 === undefined ? "git-sha1" : "sha256", hex: etag },
    etag,
    ...(entry.xetHash === undefined ? {} : { xetHash: entry.xetHash }),
  };
}

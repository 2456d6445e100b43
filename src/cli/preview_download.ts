import { ArchiveStore } from "../archive/archive_store.ts";
import type { Placement } from "../cache/placement.ts";
import { statOrNull } from "../cache/files.ts";
import type { Config } from "../config/config.ts";
import { pathFilter } from "../sources/filter_paths.ts";
import { totalBytes } from "../sources/manifest.ts";
import type { ManifestOptions } from "../sources/source.ts";
import { openSource } from "../sources/open_source.ts";
import type { ModelRef } from "../sources/model_ref.ts";
import { sourceOptions } from "../sources/source_options.ts";

export interface DownloadPreview {
  readonly source: string;
  readonly commit: string | null;
  readonly model: string;
  readonly layout: Placement["layout"];
  /** The directory of the files. */
  readonly path: string;
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly present: boolean }[];
  readonly bytes: number;
  readonly bytesPresent: number;
}

/** Lists the files of a model at its source, and which ones the cache has with their size. */
export async function previewDownload(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  ref: ModelRef,
  placement: Placement,
  options: ManifestOptions,
): Promise<DownloadPreview> {
  using source = openSource(ref, sourceOptions(config, env));
  const listed = await source.manifest(options);
  const wanted = pathFilter(options.include ?? [], options.exclude ?? []);
  const manifest = await new ArchiveStore(placement).unpacked(listed, wanted);
  const archives = manifest.archives?.map(({ file }) => file) ?? [];
  const path = placement.layout === "hub"
    ? `${placement.directory}/snapshots/${manifest.commit ?? "COMMIT"}`
    : placement.directory;
  const files = await Promise.all([...manifest.files, ...archives].map(async (file) => ({
    path: file.path,
    bytes: file.size,
    present: (await statOrNull(`${path}/${file.path}`))?.size === file.size,
  })));
  return {
    source: manifest.source,
    commit: manifest.commit,
    model: placement.name,
    layout: placement.layout,
    path,
    files,
    bytes: totalBytes(manifest),
    bytesPresent: files.reduce((sum, file) => sum + (file.present ? file.bytes : 0), 0),
  };
}

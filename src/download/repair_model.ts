import { readTextOrNull } from "../cache/files.ts";
import { folderOfModel, recordPath } from "../cache/layout.ts";
import type { ListedModel } from "../cache/list_models.ts";
import { readMetadata } from "../cache/python_metadata.ts";
import { type ModelRecord, readRecord } from "../cache/record.ts";
import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import type { Manifest } from "../sources/manifest.ts";
import { type ModelRef, parseModelRef } from "../sources/model_ref.ts";
import { downloadInto, placementOf } from "./download_into.ts";
import type { DownloadReport } from "./download_report.ts";

export interface RepairOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly model: ListedModel;
  /** Relative paths of all files of the model. */
  readonly paths: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * Downloads the bad and missing files of a model again, from its source at its commit. Bad files must be
 * marked, as `verifyModel` does.
 *
 * @throws {AimError} `not-found` if the source is not known; `integrity` if a bucket has changed; like a
 * download.
 */
export async function repairModel(options: RepairOptions): Promise<DownloadReport> {
  const { config, env, model, signal } = options;
  const record = await readRecord(recordPath(model));
  const { ref, commit } = await originOf(model, record, options.paths);
  const { name, layout } = model;
  const revision = layout === "hub" ? await revisionFor(model, record) : undefined;
  const placement = placementOf(config, layout, { ref, name }, revision);
  const wanted = record?.files.map((file) => file.path) ?? options.paths;
  return await downloadInto(config, env, ref, placement, {
    revision: commit ?? undefined,
    recordAs: record?.revision ?? null,
    include: wanted.map(literalGlob),
    exclude: [],
    force: false,
    signal,
    onListed: (manifest) => assertSame(record, manifest),
  });
}

/** The source of a model, from its record, else from Python's metadata. */
async function originOf(
  { name, layout, path, commit }: ListedModel,
  record: ModelRecord | null,
  paths: readonly string[],
): Promise<{ ref: ModelRef; commit: string | null }> {
  if (record !== null) {
    return {
      ref: parseModelRef(record.source),
      commit: record.source.startsWith("hf:") ? record.commit : null,
    };
  }
  if (layout === "hub" && commit !== null) return { ref: parseModelRef(`hf://${name}`), commit };
  for (const file of paths) {
    const noted = await readMetadata(path, file);
    if (noted !== null) return { ref: parseModelRef(`hf://${name}`), commit: noted.commit };
  }
  throw new AimError("not-found", `the source of ${path} is not known, so it cannot be repaired`, {
    hint: "copy it again, or remove it and download it",
  });
}

/** The revision whose ref names this snapshot; else the commit, so that no ref is moved back. */
async function revisionFor(model: ListedModel, record: ModelRecord | null): Promise<string> {
  const { commit } = model;
  const revision = record?.revision ?? "main";
  const ref = await readTextOrNull(`${folderOfModel(model)}/refs/${revision}`);
  return ref === commit || commit === null ? revision : commit;
}

/** A bucket has no commits: files of another version would be mixed with these. */
function assertSame(record: ModelRecord | null, manifest: Manifest): void {
  if (record === null || manifest.commit !== null || manifest.archives !== undefined) return;
  const now = new Map<string, string>(manifest.files.map((file) => [file.path, file.etag]));
  const changed = record.files.find((file) => now.get(file.path) !== file.etag);
  if (changed === undefined) return;
  throw new AimError(
    "integrity",
    `${manifest.source} has changed since it was downloaded (${changed.path})`,
    { hint: "download the complete new version with aim download-to-cache" },
  );
}

/** A glob that only this path matches. */
function literalGlob(path: string): string {
  return path.replace(/[*?[]/g, "[$&]");
}

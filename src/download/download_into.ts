import { HubPlacement } from "../cache/hub_placement.ts";
import { lstatOrNull } from "../cache/files.ts";
import { sameButForCase } from "../cache/list_models.ts";
import type { Placement } from "../cache/placement.ts";
import type { CachePaths, LayoutName } from "../cache/types.ts";
import { localPlacement } from "../cache/local_placement.ts";
import type { Config } from "../config/config.ts";
import { log } from "../log/logger.ts";
import type { NamedModel } from "../sources/local_name.ts";
import { type ModelRef, quantisationIn } from "../sources/model_ref.ts";
import { openSource } from "../sources/open_source.ts";
import { sourceOptions } from "../sources/source_options.ts";
import { downloadModel, type DownloadOptions } from "./download_model.ts";
import type { DownloadReport } from "./download_report.ts";

export function placementOf(
  paths: CachePaths,
  layout: LayoutName,
  { ref, name }: Pick<NamedModel, "ref" | "name">,
  revision: string | undefined,
): Placement {
  const options = { paths, name, revision, quantisation: quantisationIn(ref) };
  return layout === "local" ? localPlacement(options) : new HubPlacement(options);
}

/** Only `verify` of the transfer's options is given here; the others are settings. */
export interface IntoOptions extends Omit<DownloadOptions, "transfer"> {
  /** Check digests. @default {true} */
  readonly verify?: boolean;
}

/**
 * Downloads a model into a placement, from the source that its reference names.
 *
 * @throws {AimError} as {@linkcode downloadModel}, and `not-found` when offline.
 */
export async function downloadInto(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  ref: ModelRef,
  placement: Placement,
  { verify = true, ...options }: IntoOptions,
): Promise<DownloadReport> {
  if (ref.kind === "hub") await warnOfTwin(config, placement);
  using source = openSource(ref, { ...sourceOptions(config, env), onProtocol: options.onProtocol });
  const { jobs, partSize, maxBandwidth, stallTimeout } = config;
  const transfer = { jobs, partSize, maxBandwidth, stallTimeout, verify };
  return await downloadModel(source, placement, { ...options, transfer });
}

/** To the hub, `Meta-Llama/M` and `meta-llama/M` are the same model; the cache has a folder for each. */
async function warnOfTwin(config: Config, { name, directory }: Placement): Promise<void> {
  const twin = await lstatOrNull(directory) === null ? await sameButForCase(config, name) : null;
  if (twin === null) return;
  log.warn(
    `the cache has ${twin}, which is the same model on the hub: downloading it again as ${name}`,
  );
}

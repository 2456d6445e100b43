import { ArchiveStore } from "../../archive/archive_store.ts";
import { lstatOrNull, statOrNull } from "../../cache/files.ts";
import { nearestInCache } from "../../cache/list_models.ts";
import type { Placement } from "../../cache/placement.ts";
import { downloadInto, type IntoOptions, placementOf } from "../../download/download_into.ts";
import { type DownloadReport, inCache } from "../../download/download_report.ts";
import { AimError } from "../../errors/aim_error.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { log } from "../../log/logger.ts";
import { engineArgsOf } from "../../profiles/profile_content.ts";
import type { Profile } from "../../profiles/types.ts";
import { filesListed, warnOfMemory } from "../../serve/memory_fit.ts";
import { modelsOfProfiles, profileModel } from "../../serve/select_profile_for.ts";
import { pathFilter } from "../../sources/filter_paths.ts";
import { type NamedModel, namedModel } from "../../sources/local_name.ts";
import { totalBytes } from "../../sources/manifest.ts";
import { parseModelRef } from "../../sources/model_ref.ts";
import { openSource } from "../../sources/open_source.ts";
import { sourceOptions } from "../../sources/source_options.ts";
import { command, type CommandContext } from "../command.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { DOWNLOAD_FLAGS, DOWNLOAD_SETTINGS, downloadOptions } from "../download_flags.ts";
import { count, formatBytes, formatDuration } from "../format.ts";
import { startProgress } from "../progress.ts";
import { type Column, table } from "../table.ts";

export const downloadToCache = command<GpuInventory | null>({
  usage: "download-to-cache [MODEL...]",
  summary: "download models into the cache",
  model: "source",
  settings: [...SELECTION_SETTINGS, ...DOWNLOAD_SETTINGS],
  flags: {
    "--use-hf-cache": "store it in the Hugging Face cache instead of a local directory",
    "--all-profiles": "download every model that a profile for this accelerator can load",
    "--dry-run": "list the files, which of them are present, and where they would be stored",
    ...DOWNLOAD_FLAGS,
  },
  examples: {
    "aim download-to-cache mistralai/Mistral-7B-v0.1 meta-llama/Llama-3.1-8B-Instruct":
      "exactly these models",
    "aim download-to-cache --model meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X --dry-run":
      "list what the profile for this GPU loads, without downloading",
    "aim download-to-cache --model-id s3://bucket/deep/path/model --model-name custom-org/my-model":
      "from S3, under a name that you choose",
  },
  permissions: { write: true, net: true },
  // Naming the model bypasses profiles, so the hardware does not matter.
  prepare: async (context) => context.args.length === 0 ? await detectHardware(context) : null,
  async run(context, gpus) {
    const { config, flags, print, report } = context;
    const targets = (await wantedModels(context, gpus)).map((wanted) => targetOf(context, wanted));
    if (targets.length > 1 && config.modelName !== null) {
      const hint = "give --model-name with one model at a time";
      throw new AimError("usage", `--model-name is given with ${targets.length} models`, { hint });
    }
    const isDryRun = flags["dry-run"] === true;
    // Lists all models first, so that a wrong name fails before any download.
    const previews = isDryRun || (targets.length > 1 && !config.offline)
      ? await previewAll(context, targets)
      : [];
    if (isDryRun) return report({ models: previews }, () => previewText(previews, context.stdout.width));
    if (previews.length > 0) log.info(announcement(previews, flags.force === true));
    const reports: DownloadReport[] = [];
    for (const [at, target] of targets.entries()) {
      const position = targets.length === 1 ? "" : ` (${at + 1} of ${targets.length})`;
      const report = await download(context, target, position, gpus);
      reports.push(report);
      if (flags.format !== "json") print(`${report.path}\n`);
    }
    const total = {
      bytes: sum(reports, "bytes"),
      bytesMoved: sum(reports, "bytesMoved"),
      bytesPresent: sum(reports, "bytesPresent"),
      elapsedMs: sum(reports, "elapsedMs"),
    };
    const [first, ...more] = reports;
    report(more.length === 0 && first !== undefined ? first : { models: reports, ...total }, () => "");
    if (more.length > 0) {
      const [bytes, moved] = [total.bytes, total.bytesMoved].map(formatBytes);
      const time = formatDuration(total.elapsedMs);
      log.info(`${count(reports.length, "model")}, ${bytes}: ${moved} downloaded in ${time}`);
    }
  },
});

interface Wanted {
  readonly model: NamedModel;
  /** `null` if the model was named. */
  readonly profile: Profile | null;
}

async function wantedModels(
  { args, config, flags }: CommandContext,
  gpus: GpuInventory | null,
): Promise<Wanted[]> {
  const all = flags["all-profiles"] === true;
  if (all && args.length > 0) {
    throw new AimError("usage", `--all-profiles cannot be used with MODEL "${args[0]}"`, {
      hint: `use --model ${args[0]}, or omit --all-profiles`,
    });
  }
  // The hardware is detected only if no model is named.
  if (gpus !== null && !all) return [await profileModel(config, gpus)];
  const models = gpus === null
    ? [...new Set(args)].map((one) => namedModel(parseModelRef(one), config.modelName))
    : await modelsOfProfiles(config, gpus);
  return models.map((model) => ({ model, profile: null }));
}

/** A model, its place in the cache, and its download options. */
interface Target extends Wanted {
  readonly placement: Placement;
  readonly options: IntoOptions;
}

function targetOf(context: CommandContext, wanted: Wanted): Target {
  const options = downloadOptions(context, wanted.model.ref);
  const layout = context.flags["use-hf-cache"] === true ? "hub" : "local";
  const placement = placementOf(context.config, layout, wanted.model, options.revision);
  return { ...wanted, placement, options };
}

type DownloadPreview = Awaited<ReturnType<typeof previewOf>>;

async function previewAll(context: CommandContext, targets: readonly Target[]): Promise<DownloadPreview[]> {
  const previews: DownloadPreview[] = [];
  for (const target of targets) previews.push(await previewOf(context, target));
  return previews;
}

/** Lists a model's files at its source, and which of them the cache has in the same size. */
async function previewOf({ config, env }: CommandContext, { model, placement, options }: Target) {
  using source = openSource(model.ref, sourceOptions(config, env));
  const { revision, include, exclude, signal } = options;
  const wanted = pathFilter(include, exclude);
  const listed = await source.manifest({ revision, wanted, signal });
  const manifest = await new ArchiveStore(placement).unpacked(listed, wanted);
  const archives = manifest.archives?.map(({ file }) => file) ?? [];
  const { name, layout, directory } = placement;
  const path = layout === "hub" ? `${directory}/snapshots/${manifest.commit ?? "COMMIT"}` : directory;
  const files = await Promise.all([...manifest.files, ...archives].map(async (file) => ({
    path: file.path,
    bytes: file.size,
    present: (await statOrNull(`${path}/${file.path}`))?.size === file.size,
  })));
  const { source: uri, commit } = manifest;
  const bytes = totalBytes(manifest);
  const bytesPresent = sum(files.filter(({ present }) => present), "bytes");
  return { source: uri, commit, model: name, layout, path, files, bytes, bytesPresent };
}

/** The size of several models, before they are downloaded. */
function announcement(previews: readonly DownloadPreview[], force: boolean): string {
  const bytes = sum(previews, "bytes");
  const present = force ? 0 : sum(previews, "bytesPresent");
  return `${count(previews.length, "model")}, ${formatBytes(bytes)}: ` +
    `${formatBytes(present)} already present, ${formatBytes(bytes - present)} to download`;
}

async function download(
  context: CommandContext,
  { model, profile, placement, options }: Target,
  position: string,
  gpus: GpuInventory | null,
): Promise<DownloadReport> {
  const { config, env } = context;
  if (config.offline) {
    const found = await inCache(placement, options);
    if (found !== null) return found;
    if (await lstatOrNull(placement.directory) === null) await suggest(context, placement.name);
  }
  using progress = startProgress(context, { model: `${placement.name}${position}` });
  const report = await downloadInto(config, env, model.ref, placement, {
    ...options,
    onEvent: progress.onEvent,
    onListed(manifest) {
      if (gpus !== null && profile !== null) warnOfMemory(gpus, engineArgsOf(profile), filesListed(manifest));
    },
  });
  progress.finish(report);
  return report;
}

/** @throws {AimError} `not-found` if the cache has a model with a similar name. */
async function suggest({ config }: CommandContext, name: string): Promise<void> {
  const near = await nearestInCache(config, name);
  if (near === null) return;
  throw new AimError("not-found", `${name} is not in the cache, and HF_HUB_OFFLINE (--offline) is on`, {
    hint: `the cache has ${near}: did you mean that?`,
  });
}

const PREVIEW_COLUMNS: readonly Column<DownloadPreview["files"][number]>[] = [
  { title: "FILE", text: (file) => file.path, atLast: 16 },
  { title: "SIZE", text: (file) => formatBytes(file.bytes), right: true },
  { title: "STATE", text: (file) => file.present ? "present" : "missing" },
];

function previewText(previews: readonly DownloadPreview[], width: number): string {
  const list = previews.flatMap(({ source, path, files, bytes, bytesPresent }) => [
    ...table(PREVIEW_COLUMNS, files, width),
    `${source}: ${count(files.length, "file")}, ${formatBytes(bytes)}, ${formatBytes(bytesPresent)} present`,
    `to ${path}`,
    "",
  ]);
  const missing = sum(previews, "bytes") - sum(previews, "bytesPresent");
  return `${list.join("\n")}\n${formatBytes(missing)} would be downloaded\n`;
}

function sum<Key extends string>(all: readonly Readonly<Record<Key, number>>[], key: Key): number {
  return all.reduce((total, one) => total + one[key], 0);
}

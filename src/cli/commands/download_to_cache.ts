import { cachePaths } from "../../cache/cache_paths.ts";
import { lstatOrNull } from "../../cache/files.ts";
import { nearestInCache } from "../../cache/names_in_cache.ts";
import { AimError } from "../../errors/aim_error.ts";
import { type CachePlace, downloadInto, placementOf } from "../../download/download_into.ts";
import { inCache } from "../../download/in_cache.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { log } from "../../log/logger.ts";
import type { Profile } from "../../profiles/types.ts";
import { filesListed, warnOfMemory } from "../../serve/memory_fit.ts";
import { parseModelRef, revisionIn } from "../../sources/model_ref.ts";
import { modelsOfProfiles, profileModel } from "../../serve/select_profile_for.ts";
import type { DownloadReport } from "../../download/download_report.ts";
import type { CommandContext } from "../command.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { DOWNLOAD_FLAGS, DOWNLOAD_SETTINGS, downloadOptions, revisionOf, text } from "../download_flags.ts";
import { count, formatBytes, formatDuration } from "../format.ts";
import { downloadJson } from "../json_report.ts";
import { type DownloadPreview, previewDownload } from "../preview_download.ts";
import { startProgress } from "../progress.ts";
import type { Page } from "../style.ts";
import { type Column, table } from "../table.ts";
import { command, flag } from "../define.ts";

export const downloadToCache = command<GpuInventory | null>({
  usage: "download-to-cache [MODEL...]",
  summary: "download models into the cache",
  model: "source",
  settings: [...SELECTION_SETTINGS, ...DOWNLOAD_SETTINGS],
  flags: [
    flag("--use-hf-cache", "store it in the Hugging Face cache instead of a local directory"),
    flag("--all-profiles", "every model that a profile for this accelerator can load"),
    flag("--dry-run", "list the files, which of them are present, and where they would go"),
    ...DOWNLOAD_FLAGS,
  ],
  examples: {
    "aim download-to-cache mistralai/Mistral-7B-v0.1 meta-llama/Llama-3.1-8B-Instruct":
      "exactly these models",
    "aim download-to-cache --model meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X --dry-run":
      "what the profile for this GPU loads: files, sizes and place, without downloading",
    "aim download-to-cache --model-id s3://bucket/deep/path/model --model-name custom-org/my-model":
      "from S3, under a name that you choose",
  },
  permissions: { write: true, net: true },
  // Naming the model bypasses profiles, so the hardware does not matter.
  prepare: async (context) =>
    text(context.flags["model-id"]) === undefined ? await detectHardware(context) : null,
  async run(context) {
    const { config, flags, print } = context;
    const wanted = await wantedModels(context);
    const json = flags.format === "json";
    if (flags["dry-run"] === true) {
      const previews = await previewAll(context, wanted);
      context.report({ models: previews }, () => previewText(previews, context.stdout));
      return 0;
    }
    if (wanted.length > 1 && config.modelName !== null) {
      throw new AimError("usage", `--model-name is given with ${wanted.length} models`, {
        hint: "give --model-name with one model at a time",
      });
    }
    // All models are listed before the first byte, so that a wrong name fails while nothing is downloaded yet.
    const previews = wanted.length > 1 && !config.offline ? await previewAll(context, wanted) : [];
    if (previews.length > 0) log.info(announcement(previews, flags.force === true));
    const reports: NamedReport[] = [];
    for (const [at, one] of wanted.entries()) {
      const done = previews.length === 0
        ? ""
        : `, ${formatBytes(sum(previews.slice(0, at), "bytes"))} of ${
          formatBytes(sum(previews, "bytes"))
        } done`;
      const position = wanted.length === 1 ? "" : ` (${at + 1} of ${wanted.length}${done})`;
      const report = await download(context, one, position);
      reports.push(report);
      if (!json) print(`${report.path}\n`);
    }
    const [first, ...more] = reports.map(downloadJson);
    context.report(more.length === 0 && first !== undefined ? first : allJson(reports), () => "");
    if (reports.length > 1) {
      const [bytes, moved] = [sum(reports, "bytes"), sum(reports, "bytesMoved")].map(formatBytes);
      const time = formatDuration(sum(reports, "elapsed"));
      log.info(`${count(reports.length, "model")}, ${bytes}: ${moved} downloaded in ${time}`);
    }
    return 0;
  },
});

type Context = CommandContext<GpuInventory | null>;
type Wanted = Omit<CachePlace, "layout"> & { readonly profile: Profile | null };

interface NamedReport extends DownloadReport {
  readonly model: string;
}

function sum<Key extends string>(all: readonly Readonly<Record<Key, number>>[], key: Key): number {
  return all.reduce((total, one) => total + one[key], 0);
}

/** Where a model goes, and at which revision. */
function placed(context: Context, wanted: Wanted) {
  const options = downloadOptions(context);
  const revision = revisionOf(options.revision, revisionIn(wanted.ref));
  const layout = context.flags["use-hf-cache"] === true ? "hub" : "local";
  return { options, revision, placement: placementOf(context.config, { layout, ...wanted }, revision) };
}

async function previewAll(context: Context, wanted: readonly Wanted[]): Promise<DownloadPreview[]> {
  const previews: DownloadPreview[] = [];
  for (const one of wanted) {
    const { options: { include, exclude, signal }, revision, placement } = placed(context, one);
    const filters = { revision, include, exclude, signal };
    previews.push(await previewDownload(context.config, context.env, one.ref, placement, filters));
  }
  return previews;
}

/** Several models in numbers, before they are downloaded. */
function announcement(previews: readonly DownloadPreview[], force: boolean): string {
  const bytes = sum(previews, "bytes");
  const present = force ? 0 : sum(previews, "bytesPresent");
  return `${count(previews.length, "model")}, ${formatBytes(bytes)}: ` +
    `${formatBytes(present)} already present, ${formatBytes(bytes - present)} to download`;
}

async function download(context: Context, wanted: Wanted, position: string): Promise<NamedReport> {
  const { config, env, prepared } = context;
  const { options, revision, placement } = placed(context, wanted);
  const offline = config.offline ? await inCache(placement, { ...options, revision }) : null;
  if (offline !== null) return { ...offline, model: placement.name };
  if (config.offline && await lstatOrNull(placement.directory) === null) {
    await suggest(context, placement.name);
  }
  const progress = startProgress(context, { model: `${placement.name}${position}` });
  try {
    const report = await downloadInto(config, env, wanted.ref, placement, {
      ...options,
      revision,
      onEvent: progress.onEvent,
      onListed(manifest) {
        if (prepared === null || wanted.profile === null) return;
        warnOfMemory(prepared, wanted.profile.engineArgs, filesListed(manifest));
      },
    });
    progress.finish(report);
    return { ...report, model: placement.name };
  } finally {
    progress.close();
  }
}

function allJson(reports: readonly NamedReport[]) {
  return {
    models: reports.map(downloadJson),
    bytes: sum(reports, "bytes"),
    bytesMoved: sum(reports, "bytesMoved"),
    bytesPresent: sum(reports, "bytesPresent"),
    elapsedMs: Math.round(sum(reports, "elapsed")),
  };
}

async function wantedModels(context: Context): Promise<Wanted[]> {
  const { args, config, flags, prepared: gpus } = context;
  const given = text(flags["model-id"]);
  const exact = args.length > 0 ? args : given === undefined ? [] : [given];
  if (flags["all-profiles"] === true) {
    if (exact.length > 0) {
      throw new AimError("usage", `--all-profiles downloads what profiles load, and ${exact[0]} is named`, {
        hint: "give --model, or leave out --all-profiles",
      });
    }
    if (gpus === null) throw new Error("without a model, the hardware has been detected");
    return (await modelsOfProfiles(config, gpus)).map((one) => ({ ...one, profile: null }));
  }
  if (exact.length > 0) {
    return [...new Set(exact)].map((one) => ({
      ref: parseModelRef(one),
      modelName: config.modelName,
      profile: null,
    }));
  }
  if (gpus === null) throw new AimError("usage", "no model is named", { hint: "name one as org/model" });
  return [await profileModel(config, gpus)];
}

const PREVIEW_COLUMNS: readonly Column<DownloadPreview["files"][number]>[] = [
  { title: "FILE", text: (file) => file.path, atLast: 16 },
  { title: "SIZE", text: (file) => formatBytes(file.bytes), right: true },
  { title: "STATE", text: (file) => file.present ? "present" : "missing" },
];

function previewText(previews: readonly DownloadPreview[], page: Page): string {
  const list = previews.flatMap(({ source, path, files, bytes, bytesPresent }) => [
    ...table(PREVIEW_COLUMNS, files, page),
    `${source}: ${count(files.length, "file")}, ${formatBytes(bytes)}, ${formatBytes(bytesPresent)} present`,
    `to ${path}`,
    "",
  ]);
  const missing = sum(previews, "bytes") - sum(previews, "bytesPresent");
  return `${list.join("\n")}\n${formatBytes(missing)} would be downloaded\n`;
}

/** @throws {AimError} `not-found` if the cache has a model of nearly this name. */
async function suggest({ config }: Context, name: string): Promise<void> {
  const near = await nearestInCache(cachePaths(config), name);
  if (near === null) return;
  throw new AimError("not-found", `${name} is not in the cache, and HF_HUB_OFFLINE (--offline) is on`, {
    hint: `the cache has ${near}: did you mean that?`,
  });
}

import { cachePaths, hubFolder } from "../../cache/cache_paths.ts";
import { diskUse } from "../../cache/inspect_disk.ts";
import { directoryBytes } from "../../cache/files.ts";
import type { ModelPlace } from "../../cache/types.ts";
import { filesInCache, memoryFit, unsafeOf } from "../../serve/memory_fit.ts";
import type { Manifest } from "../../sources/manifest.ts";
import type { Config } from "../../config/config.ts";
import { kernelFiles } from "../../os/kernel_files.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { chooseServing, resolveServing, type ServingChoice } from "../../serve/serving_plan.ts";
import { servingEngine } from "../../serve/serving_engine.ts";
import { wantedModel } from "../../serve/named_model.ts";
import { type ModelRef, parseModelRef } from "../../sources/model_ref.ts";
import { readBuildInfo } from "../build_info.ts";
import type { Command } from "../command.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { attempt, type Check, checkOf } from "../doctor/check.ts";
import { checkDirectory, checkRoom } from "../doctor/check_directory.ts";
import { checkEngine } from "../doctor/check_engine.ts";
import { checkGpus } from "../doctor/check_gpus.ts";
import { checkHost } from "../doctor/check_host.ts";
import { checkNetworkSettings } from "../doctor/check_network_settings.ts";
import { checkPort } from "../doctor/check_port.ts";
import { checkSources } from "../doctor/check_sources.ts";
import { doctorJson, doctorMarkdown, doctorText, stopping } from "../doctor/render_doctor.ts";
import { pageOf } from "../render_help.ts";
import { formatFlag } from "../format_flag.ts";

/** `aim doctor`: why it does not work here. */
export const doctor: Command<GpuInventory> = {
  name: "doctor",
  summary: "check everything that serving needs, and say what is wrong",
  positionals: [{ name: "MODEL", required: false }],
  model: "served",
  settings: [
    ...SELECTION_SETTINGS,
    "engineArgs",
    "port",
    "cachePath",
    "hfHome",
    "hfHubCache",
    "hfEndpoint",
    "hfToken",
    "hfTokenPath",
    "offline",
  ],
  flags: [formatFlag("text", "json", "markdown")],
  examples: [
    {
      command: "aim doctor meta-llama/Llama-3.1-8B-Instruct",
      does: "would serving this model work here?",
    },
    {
      command: "aim doctor meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X --offline",
      does: "the same without asking the network, as if there were an MI300X",
    },
    {
      command: "aim doctor --format json",
      does: "the same for programs; exit 1 when something would stop serve",
    },
  ],
  permissions: { write: true, net: true, run: true, ffi: true },
  prepare: detectHardware,
  async run({ config, env, flags, prepared, print, signal, stdout }) {
    const choice = await attempt(async () =>
      await chooseServing({
        config,
        env,
        gpus: prepared,
        engine: await servingEngine(config, env, "show"),
        need: "show",
      })
    );
    const chosen = "value" in choice ? choice.value : null;
    const found = chosen === null ? null : await attempt(() => resolveServing(config, chosen));
    const place = found !== null && "value" in found ? found.value : null;
    const needed = place?.kind === "missing" && !config.offline;
    const ref = chosen?.model.ref ?? await namedRef(config);
    const [engine, directories, sources] = await Promise.all([
      checkEngine(config, env),
      checkCaches(config, ref, needed),
      checkSources({ config, env, ref, needed, signal }),
    ]);
    const checks: Check[] = [
      checkProgram(),
      ...checkGpus(prepared),
      "error" in choice ? checkOf("profile", choice.error, "failed") : checkChoice(choice.value),
      engine,
      checkPort(config.port),
      await checkProfilePath(config),
      ...directories,
      ...(found === null ? [] : [
        "error" in found ? checkOf("model", found.error, "failed") : checkPlace(config, found.value),
      ]),
      ...checkHost({
        files: kernelFiles(),
        availableMemory: Deno.systemMemoryInfo().available,
        totalMemory: Deno.systemMemoryInfo().total,
        gpuCount: chosen?.profile.metadata.acceleratorCount ?? null,
        modelBytes: place !== null && place.kind !== "missing"
          ? await directoryBytes(place.kind === "path" ? place.path : place.snapshot)
          : sources.modelBytes,
      }),
      ...(needed && sources.modelBytes !== null
        ? [
          await checkRoom(
            ref?.kind === "s3" ? config.cachePath : config.hfHubCache,
            await toCome(config, chosen, sources.modelBytes),
          ),
        ]
        : []),
      ...sources.checks,
      ...await checkMemory(prepared, chosen, place, sources.manifest),
      ...checkNetworkSettings(env),
    ];
    print(
      flags.format === "json"
        ? doctorJson(checks)
        : flags.format === "markdown"
        ? doctorMarkdown(checks)
        : doctorText(checks, pageOf(stdout)),
    );
    return stopping(checks) === 0 ? 0 : 1;
  },
};

/** Profiles on disk are optional, a directory that was named is not. */
async function checkProfilePath({ profilePath, origins }: Config): Promise<Check> {
  const name = "profiles";
  const outcome = await attempt(async () => (await Deno.stat(profilePath)).isDirectory);
  if ("value" in outcome && outcome.value) return { name, state: "ok", found: `on disk in ${profilePath}` };
  const found = `${profilePath} ${"value" in outcome ? "is not a directory" : "does not exist"}`;
  return origins.profilePath === "default"
    ? { name, state: "ok", found: `${found}: only the built-in profiles are used` }
    : { name, state: "failed", found, todo: "correct AIM_PROFILE_PATH, or mount it" };
}

function checkProgram(): Check {
  const { version, form } = readBuildInfo(new URL("./", Deno.mainModule).href);
  return { name: "aim", state: "ok", found: `${version}, ${form}, Deno ${Deno.version.deno}` };
}

function checkChoice({ profile, guessed, model, hipVisibleDevices }: ServingChoice): Check {
  const devices = hipVisibleDevices === null ? "" : `, on GPUs ${hipVisibleDevices}`;
  const found = `${profile.id} (${profile.metadata.type}) loads ${model.uri}${devices}`;
  if (!guessed) return { name: "profile", state: "ok", found };
  // That there is no GPU is said above.
  return {
    name: "profile",
    state: "warning",
    found: `it depends on the GPU; with ${profile.metadata.acceleratorModel}: ${found}`,
  };
}

/** The cache that a download would go to must be right where one is needed; the other one may be as it is. */
async function checkCaches(config: Config, ref: ModelRef | null, needed: boolean): Promise<Check[]> {
  const own = ref?.kind === "s3" ? config.cachePath : config.hfHubCache;
  const paths = [...new Set([config.cachePath, config.hfHubCache])];
  return await Promise.all(
    paths.map((path) => checkDirectory("cache", path, needed && path === own ? "failed" : "warning")),
  );
}

function checkPlace(config: Config, place: ModelPlace): Check {
  if (place.kind === "path") {
    return { name: "model", state: "ok", found: `served from ${place.path}` };
  }
  if (place.kind === "hub") {
    return { name: "model", state: "ok", found: `served from ${place.snapshot}` };
  }
  const found = `not in the cache (${place.looked.map((p) => `${p.path}: ${p.reason}`).join("; ")})`;
  return config.offline
    ? {
      name: "model",
      state: "failed",
      found,
      todo: "copy it there: aim download-to-cache on a connected host",
    }
    : {
      name: "model",
      state: "warning",
      found,
      todo: "serve will download it first; aim download-to-cache does that in advance",
    };
}

/** What an interrupted download has already written needs no more room. */
async function toCome(config: Config, chosen: ServingChoice | null, bytes: number): Promise<number> {
  if (chosen === null) return bytes;
  const { root, ...paths } = cachePaths(config);
  const { ref, name } = chosen.model;
  const folder = ref.kind === "hub" ? hubFolder(paths, name) : `${root}/${name}`;
  return Math.max(0, bytes - (await diskUse(folder)).bytes);
}

/** The model against the memory of the GPUs; a warning, since vLLM has the last word. */
async function checkMemory(
  gpus: GpuInventory,
  chosen: ServingChoice | null,
  place: ModelPlace | null,
  manifest: Manifest | null,
): Promise<Check[]> {
  if (chosen === null || place === null) return [];
  const files = await filesInCache(place) ?? (manifest === null ? null : {
    sizes: new Map<string, number>(manifest.files.map((file) => [file.path, file.size])),
    config: null,
    from: manifest.source,
  });
  if (files === null) return [];
  const unsafe = unsafeOf(files);
  const trust: Check[] = unsafe === null ? [] : [{
    name: "trust",
    state: "warning",
    found: unsafe,
    todo: "use a safetensors model without custom code; AIM_REFUSE_UNSAFE=true refuses others",
  }];
  const fit = memoryFit(gpus, chosen.args, files);
  if (fit === null) return trust;
  return fit.state === "fits" ? [...trust, { name: "memory", state: "ok", found: fit.summary }] : [...trust, {
    name: "memory",
    state: "warning",
    found: fit.summary,
    todo: "use more GPUs, a quantised model, or a smaller max-model-len",
  }];
}

/** The model that was named, where no profile fits. */
async function namedRef(config: Config): Promise<ModelRef | null> {
  const wanted = await attempt(() => wantedModel(config));
  if ("error" in wanted) return null;
  return wanted.value.ref ?? (config.aimId === null ? null : parseModelRef(config.aimId));
}

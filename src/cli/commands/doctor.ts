import type { Config } from "../../config/config.ts";
import { settingsIn } from "../../config/settings.ts";
import { VersionTable } from "../../engine/engine_table.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { kernelFiles } from "../../os/kernel_files.ts";
import { askProgram } from "../../os/run_program.ts";
import { filesListed } from "../../serve/memory_fit.ts";
import { modelFiles } from "../../serve/model_files.ts";
import { resolveServing, wantedModel } from "../../serve/served_model.ts";
import { servingEngine } from "../../engine/serving_engine.ts";
import { chooseServing, planServing, type ServingChoice } from "../../serve/serving_plan.ts";
import { totalBytes } from "../../sources/manifest.ts";
import type { ModelRef } from "../../sources/model_ref.ts";
import { readBuildInfo } from "../build_info.ts";
import { command, type CommandContext } from "../command.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { attempt, type Check, check, checkOf } from "../doctor/check.ts";
import { checkDirectory, checkGpus, checkHost, checkPort } from "../doctor/check_host.ts";
import { checkNetworkSettings, checkSources } from "../doctor/check_network.ts";
import { doctorMarkdown, doctorText, stopping } from "../doctor/render_doctor.ts";
import { explainPlan, type Explanation } from "../dry_run_report.ts";
import { pageWidth } from "../render_help.ts";

export const doctor = command<GpuInventory>({
  usage: "doctor [MODEL]",
  summary: "check everything that serving needs, and report problems",
  model: "served",
  settings: [...SELECTION_SETTINGS, "engineArgs", "port", ...settingsIn("cache", "source")],
  flags: { "--format text|json|markdown": "output format" },
  examples: {
    "aim doctor meta-llama/Llama-3.1-8B-Instruct": "would serving this model work here?",
    "aim doctor meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X --offline":
      "the same without network access, as if on an MI300X",
    "aim doctor --format json": "as JSON; exit code 1 if something would stop serve",
  },
  permissions: { write: true, net: true, run: true, ffi: true },
  prepare: detectHardware,
  async run({ config, env, flags, report, signal, stdout }, gpus) {
    const choice = await attempt(async () => {
      const engine = await servingEngine(config, env, "show");
      return await chooseServing({ config, env, gpus }, engine, "show");
    });
    const chosen = choice.value;
    const found = chosen === null ? null : await attempt(() => resolveServing(config, chosen.model));
    const place = found?.value ?? null;
    const needed = place?.kind === "missing" && !config.offline;
    const ref = chosen?.model.ref ?? (await attempt(() => wantedModel(config))).value;
    const [engine, directories, { checks: sources, manifest }] = await Promise.all([
      checkEngine(config, env),
      checkCaches(config, ref, needed),
      checkSources({ config, env, signal }, ref, needed),
    ]);
    const listed = manifest === null
      ? { unknownBecause: "its source has not listed it" }
      : filesListed(manifest);
    let explained: Explanation | null = null;
    if (chosen !== null && place !== null) {
      const plan = planServing(config, chosen, place);
      const files = place.kind === "missing" ? listed : await modelFiles(config, env, plan, signal);
      explained = await explainPlan(config, plan, files, gpus);
    }
    const all: readonly (Check | null | undefined)[] = [
      checkProgram(),
      ...checkGpus(gpus),
      choice.error === null ? checkChoice(choice.value) : checkOf("profile", choice.error, "failed"),
      engine,
      checkPort(config.port),
      await checkProfilePath(config),
      ...directories,
      found?.error && checkOf("model", found.error, "failed"),
      explained && checkPlace(config, explained),
      ...checkHost({
        files: kernelFiles(),
        memory: Deno.systemMemoryInfo(),
        gpuCount: chosen?.profile.metadata.acceleratorCount ?? null,
        modelBytes: explained?.modelBytes ?? (manifest === null ? null : totalBytes(manifest)),
      }),
      ...sources,
      ...(explained === null ? [] : checkModel(explained)),
      ...checkNetworkSettings(env),
    ];
    const checks = all.filter((one) => one != null);
    report(
      { ok: stopping(checks) === 0, checks },
      () =>
        flags.format === "markdown" ? doctorMarkdown(checks) : doctorText(checks, pageWidth(stdout.width)),
    );
    return stopping(checks) === 0 ? 0 : 1;
  },
});

/** Profiles on disk are optional, but a directory that was set must exist. */
async function checkProfilePath({ profilePath, origins }: Config): Promise<Check> {
  const { value: entry } = await attempt(() => Deno.stat(profilePath));
  if (entry?.isDirectory) return check("profiles", "ok", `on disk in ${profilePath}`);
  const found = `${profilePath} ${entry === null ? "does not exist" : "is not a directory"}`;
  return origins.profilePath === "default"
    ? check("profiles", "ok", `${found}: only the built-in profiles are used`)
    : check("profiles", "failed", found, "correct AIM_PROFILE_PATH, or mount it");
}

async function checkEngine(config: Config, env: CommandContext["env"]): Promise<Check> {
  const outcome = await attempt(() => servingEngine(config, env, "serve"));
  if (outcome.error !== null) return checkOf("engine", outcome.error, "failed");
  const { name, path, version } = outcome.value;
  const printed = (await askProgram(path ?? "", ["--version"], env))?.split("\n", 1)[0]?.slice(0, 80);
  if (printed === undefined) {
    return check("engine", "failed", `${path} does not run`, `run ${path} --version to see why`);
  }
  const label = `${name === "vllm" ? "vLLM" : name} ${
    version?.text ?? "version unknown"
  }, ${path} (${printed})`;
  const newest = `; arguments are checked against vLLM ${new VersionTable(null).newest}`;
  return check("engine", "ok", version === null ? label + newest : label);
}

function checkProgram(): Check {
  const { version, form } = readBuildInfo();
  return check("aim", "ok", `${version}, ${form}, Deno ${Deno.version.deno}`);
}

function checkChoice({ profile, guessed, model, env }: ServingChoice): Check {
  const devices = env.HIP_VISIBLE_DEVICES ? `, on GPUs ${env.HIP_VISIBLE_DEVICES}` : "";
  const found = `${profile.id} (${profile.metadata.type}) loads ${model.uri}${devices}`;
  if (!guessed) return check("profile", "ok", found);
  // The GPUs' check already reports that there is none.
  const { acceleratorModel } = profile.metadata;
  return check("profile", "warning", `it depends on the GPU; with ${acceleratorModel}: ${found}`);
}

/** The cache that serve would download into must be usable; a fault of the other is only a warning. */
async function checkCaches(config: Config, ref: ModelRef | null, needed: boolean): Promise<Check[]> {
  const own = ref?.kind === "s3" ? config.cachePath : config.hfHubCache;
  const paths = [...new Set([config.cachePath, config.hfHubCache])];
  return await Promise.all(
    paths.map((path) => checkDirectory("cache", path, needed && path === own ? "failed" : "warning")),
  );
}

function checkPlace({ offline }: Config, { found, download }: Explanation): Check {
  if (download === null) return check("model", "ok", found);
  const todo = offline
    ? "run aim download-to-cache on a connected host, and copy its cache here"
    : "serve will download it first; aim download-to-cache does that in advance";
  return check("model", offline ? "failed" : "warning", found, todo);
}

/** Disk space, the publisher's code and GPU memory; the last two only warn, since vLLM decides. */
function checkModel({ disk, unsafe, memory }: Explanation): (Check | null)[] {
  const larger = "use a larger volume, or free space with aim cache prune";
  const trust = "use a safetensors model without custom code; AIM_REFUSE_UNSAFE=true refuses others";
  const more = "use more GPUs, a quantised model, or a smaller max-model-len";
  return [
    disk && check("disk", disk.freeBytes >= disk.neededBytes ? "ok" : "failed", disk.summary, larger),
    unsafe === null ? null : check("trust", "warning", unsafe, trust),
    memory && check("memory", memory.state === "fits" ? "ok" : "warning", memory.summary, more),
  ];
}

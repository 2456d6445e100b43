export type SettingType =
  | { readonly kind: "text" | "path" | "boolean" | "json-object" | "url" }
  /** A GPU or processor as people write it; the value is its name in the table of accelerators. */
  | { readonly kind: "accelerator" }
  | { readonly kind: "choice"; readonly choices: readonly string[]; readonly ignoreCase?: boolean }
  /** Some of these words in any order and case, separated by commas. */
  | { readonly kind: "list"; readonly choices: readonly string[] }
  /** A whole number in `[min, max]`, or the word `auto` if that is allowed. */
  | { readonly kind: "integer"; readonly min: number; readonly max: number; readonly auto?: boolean }
  /** Bytes: `1048576`, `8M` and `8MiB` (powers of 1024), `8MB` (powers of 1000). A rate may end in `/s`. */
  | { readonly kind: "size"; readonly min: number; readonly max: number; readonly rate?: boolean }
  /** Seconds in, milliseconds out: `120`, `500ms`, `2m`, `1h`. `min` and `max` in seconds. */
  | { readonly kind: "duration"; readonly min: number; readonly max: number };

/** One setting, for parsing, validation, help and the README. */
export interface Setting {
  /** Environment variables in order of precedence. */
  readonly env: readonly string[];
  /** If the first one is empty, the others are not read. */
  readonly emptyCounts?: boolean;
  /** `--flag` without dashes; `null` if only the environment sets it. */
  readonly flag: string | null;
  readonly flagAliases: readonly string[];
  readonly type: SettingType;
  /** Text as a user would write it; a leading `$NAME` stands for that setting's value. `null`: unset. */
  readonly default: string | null;
  /** The value's name in help. */
  readonly value: string;
  readonly help: string;
  readonly group: "model" | "gpu" | "profile" | "cache" | "source" | "download" | "fetch" | "adapter" | "log";
  /** Never shown, in help, errors or logs. */
  readonly secret?: boolean;
}

/**
 * Makes the rows of a group: `usage` is `--flag VALUE`, `--flag|--alias VALUE`, or only `VALUE` for a setting
 * without a flag; `variables` are in order of precedence.
 */
function group(name: Setting["group"]) {
  return <const Type extends SettingType, const Default extends string | null>(
    usage: string,
    variables: string,
    type: Type,
    text: Default,
    marks: Pick<Setting, "emptyCounts" | "secret"> = {},
  ) => {
    const words = usage.split(/[ |]/);
    const [flag = null, ...flagAliases] = words.flatMap((word) =>
      word.startsWith("--") ? [word.slice(2)] : []
    );
    const row = { group: name, env: variables.split(" "), flag, flagAliases, type, default: text, ...marks };
    return { describe: (help: string) => ({ ...row, value: words.at(-1) ?? "", help }) };
  };
}

const model = group("model");
const profile = group("profile");
const gpu = group("gpu");
const cache = group("cache");
const source = group("source");
const download = group("download");
const fetch = group("fetch");
const adapter = group("adapter");
const log = group("log");

const TEXT = { kind: "text" } as const;
const PATH = { kind: "path" } as const;
const ADDRESS = { kind: "url" } as const;
const BOOLEAN = { kind: "boolean" } as const;
const JSON_OBJECT = { kind: "json-object" } as const;
const ACCELERATOR = { kind: "accelerator" } as const;
const LEVEL = anyCase("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL");

function choice<const Choices extends readonly string[]>(...choices: Choices) {
  return { kind: "choice", choices } as const;
}

function anyCase<const Choices extends readonly string[]>(...choices: Choices) {
  return { kind: "choice", choices, ignoreCase: true } as const;
}

function range<const Kind extends "integer" | "size" | "duration">(kind: Kind) {
  return (min: number, max: number) => ({ kind, min, max });
}
const [integer, size, seconds] = [range("integer"), range("size"), range("duration")];

const PRECISION = choice("auto", "fp4", "fp8", "fp16", "fp32", "bf16", "int4", "int8");
/**
 * Ways to read a file from the hub. `HF_TRANSFER` is the same as `HTTP`: aim always reads parts in parallel.
 */
const PROTOCOLS = { kind: "list", choices: ["XET", "HF_TRANSFER", "HTTP"] } as const;
const FAMILY = anyCase("instinct", "radeon", "epyc", "cpu");
const COUNT = { ...integer(0, 1024), auto: true } as const;
const RATE = { ...size(1024, 2 ** 50), rate: true } as const;
const RANK = choice("1", "8", "16", "32", "64", "128", "256", "320", "512");

/** The settings, in the order of help and README. */
export const SETTINGS = {
  aimId: model("--aim-id ORG/MODEL", "AIM_ID", TEXT, null)
    .describe("the model an image is made for; selects the profile set"),
  modelId: model("--model MODEL", "AIM_MODEL_ID", TEXT, null)
    .describe("org/model, hf://org/model, s3://bucket/prefix, or an absolute path"),
  modelName: model("--model-name|--custom-model-name NAME", "AIM_CUSTOM_MODEL_NAME", TEXT, null)
    .describe("local name of a model from S3, as org/model"),
  port: model("--port PORT", "AIM_PORT", integer(1, 65535), "8000")
    .describe("port that the engine listens on"),
  engineArgs: model("--engine-args JSON", "AIM_ENGINE_ARGS", JSON_OBJECT, null)
    .describe("engine arguments that override the profile's, as a JSON object"),
  engine: profile("--engine ENGINE", "AIM_ENGINE", TEXT, "vllm")
    .describe("inference engine: vllm, vllm_omni, bentoml, or one of engines.yaml"),
  configPath: profile("DIR", "AIM_CONFIG_PATH", PATH, "/workspace/aim-runtime/config")
    .describe("directory of engines.yaml"),
  precision: profile("--precision PRECISION", "AIM_PRECISION", PRECISION, "auto")
    .describe("precision that the profile must have"),
  metric: profile("--metric METRIC", "AIM_METRIC", choice("latency", "throughput"), "latency")
    .describe("what the profile is tuned for"),
  profileId: profile("--profile ID", "AIM_PROFILE_ID", TEXT, null)
    .describe("use this profile and skip selection"),
  profilePath: profile("--profile-path DIR", "AIM_PROFILE_PATH", PATH, "/workspace/aim-runtime/profiles")
    .describe("directory of profiles on disk"),
  embeddedProfiles: profile("--embedded-profiles BOOL", "AIM_EMBEDDED_PROFILES", BOOLEAN, "true")
    .describe("also use the profiles inside the executable"),
  generalFallback: profile("--general-fallback BOOL", "AIM_ALLOW_GENERAL_PROFILE_FALLBACK", BOOLEAN, "true")
    .describe("use a general profile when no profile for the model fits"),
  allowUnoptimized: profile("--allow-unoptimized BOOL", "AIM_ALLOW_UNOPTIMIZED", BOOLEAN, "false")
    .describe("allow an unmeasured profile when nothing else fits"),
  acceleratorType: gpu("--accelerator-type TYPE", "AIM_ACCELERATOR_TYPE", anyCase("gpu", "cpu"), "gpu")
    .describe("what the model runs on"),
  acceleratorFamily: gpu("FAMILY", "AIM_ACCELERATOR_FAMILY", FAMILY, null)
    .describe("epyc (default): recognise EPYC processors; any other: treat every processor as CPU"),
  acceleratorModel: gpu(
    "--gpu-model|--accelerator-model MODEL",
    "AIM_ACCELERATOR_MODEL AIM_GPU_MODEL",
    ACCELERATOR,
    null,
  )
    .describe("GPU or processor model, instead of detection"),
  acceleratorCount: gpu(
    "--gpu-count|--accelerator-count N",
    "AIM_ACCELERATOR_COUNT AIM_GPU_COUNT",
    COUNT,
    "auto",
    { emptyCounts: true },
  )
    .describe("number of GPUs that the profile must use"),
  sysfsRoot: gpu("--sysfs-root DIR", "AIM_SYSFS_ROOT", PATH, "/sys")
    .describe("where sysfs is mounted"),
  devRoot: gpu("--dev-root DIR", "AIM_DEV_ROOT", PATH, "/dev")
    .describe("directory of device nodes"),
  procRoot: gpu("--proc-root DIR", "AIM_PROC_ROOT", PATH, "/proc")
    .describe("where procfs is mounted"),
  amdSmi: gpu("--amd-smi PATH", "AIM_AMD_SMI", TEXT, "amd-smi")
    .describe("the amd-smi program"),
  cachePath: cache("--cache-path DIR", "AIM_CACHE_PATH", PATH, "/workspace/model-cache")
    .describe("base directory of the caches"),
  hfHome: cache("DIR", "HF_HOME", PATH, "$AIM_CACHE_PATH")
    .describe("Hugging Face directory"),
  hfHubCache: cache("DIR", "HF_HUB_CACHE HUGGINGFACE_HUB_CACHE", PATH, "$HF_HOME/hub")
    .describe("Hugging Face cache"),
  hfEndpoint: source("--hf-endpoint URL", "HF_ENDPOINT", ADDRESS, "https://huggingface.co")
    .describe("address of the hub"),
  hfToken: source("TOKEN", "HF_TOKEN HUGGING_FACE_HUB_TOKEN", TEXT, null, { secret: true })
    .describe("hub token; without it, the one in the file HF_TOKEN_PATH"),
  hfTokenPath: source("FILE", "HF_TOKEN_PATH", PATH, "$HF_HOME/token")
    .describe("file with the hub token; if HF_HOME is unset, also the file of hf auth login"),
  offline: source("--offline BOOL", "HF_HUB_OFFLINE TRANSFORMERS_OFFLINE", BOOLEAN, "0")
    .describe("use no network, only the cache"),
  protocols: source("LIST", "AIM_DOWNLOADER_PROTOCOL", PROTOCOLS, "HTTP")
    .describe("ways to read from the hub, tried in this order: XET, HF_TRANSFER, HTTP"),
  jobs: download(
    "--jobs N",
    "AIM_DOWNLOAD_JOBS AIM_S3_MAX_CONCURRENCY AIM_S3_MAX_WORKERS",
    integer(1, 256),
    "16",
  )
    .describe("maximum parallel connections"),
  partSize: download(
    "--part-size SIZE",
    "AIM_DOWNLOAD_PART_SIZE AIM_S3_MULTIPART_CHUNKSIZE_MB",
    size(65536, 2 ** 40),
    null,
  )
    .describe("maximum part size; by default 16MiB, or 64MiB for a model with several large files"),
  maxBandwidth: download("--max-bandwidth RATE", "AIM_DOWNLOAD_MAX_BANDWIDTH", RATE, null)
    .describe("maximum bytes per second over all connections, such as 50MiB"),
  downloadFiles: download("--files WHICH", "AIM_DOWNLOAD_FILES", choice("all", "serving"), null)
    .describe("all files, or only those that an engine loads, which is the default of serve"),
  refuseUnsafe: download("--refuse-unsafe BOOL", "AIM_REFUSE_UNSAFE", BOOLEAN, "false")
    .describe("refuse models with pickled weights or their own Python code (auto_map)"),
  modelSignature: download("--signature FILE", "AIM_MODEL_SIGNATURE", PATH, null)
    .describe("OpenSSF signature; by default the model's model.sig, if a key or certificates are given"),
  signatureKey: download("--key FILE", "AIM_MODEL_SIGNATURE_KEY", PATH, null)
    .describe("public key (PEM) that the model must be signed with"),
  signatureCertificates: download("--certificate-chain FILE", "AIM_MODEL_SIGNATURE_CERTIFICATES", PATH, null)
    .describe("trusted certificates (PEM), including the root of the signer's chain"),
  stallTimeout: download("--stall-timeout SECONDS", "STALL_TIMEOUT", seconds(1, 86400), "120")
    .describe("a connection that sends nothing for this long is closed and retried"),
  adapterSource: adapter("DIR", "AIM_ADAPTER_SOURCE", PATH, "/workspace/cache/adapters")
    .describe("folder of LoRA adapters, one folder per adapter"),
  adapterMode: adapter("MODE", "AIM_ADAPTER_MODE", choice("static", "dynamic"), "static")
    .describe("load adapters at start, or also while the engine runs"),
  adapterRefreshInterval: adapter("SECONDS", "AIM_ADAPTER_REFRESH_INTERVAL", seconds(1, 86400), "30")
    .describe("dynamic adapters: how often the folder is checked, at least every 5 s"),
  adapterMaxCount: adapter("N", "AIM_ADAPTER_MAX_COUNT", integer(1, 10000), "8")
    .describe("maximum adapters in GPU memory"),
  adapterMaxCpuCount: adapter("N", "AIM_ADAPTER_MAX_CPU_COUNT", integer(1, 10000), "16")
    .describe("maximum adapters in host memory; at least AIM_ADAPTER_MAX_COUNT"),
  adapterMaxRank: adapter("RANK", "AIM_ADAPTER_MAX_RANK", RANK, "32")
    .describe("maximum rank of an adapter; larger ones are left out"),
  progressInterval: fetch("SECONDS", "PROGRESS_INTERVAL", seconds(0.1, 3600), "5")
    .describe("how often progress is reported to the AIMArtifact"),
  targetDir: fetch("DIR", "TARGET_DIR MOUNT_PATH", PATH, null)
    .describe("where fetch downloads to, unless DEST is given"),
  expectedSize: fetch("BYTES", "EXPECTED_SIZE_BYTES", integer(0, 2 ** 50), null)
    .describe("bytes that fetch is expected to download; a larger source causes a warning"),
  logLevel: log("--log-level LEVEL", "AIM_LOG_LEVEL AIM_S3_LOG_LEVEL", LEVEL, "INFO")
    .describe("lowest level that is logged (AIM_DEBUG=true means DEBUG)"),
  logLevelRoot: log("LEVEL", "AIM_LOG_LEVEL_ROOT", LEVEL, "WARNING")
    .describe("the same for libraries and the engine"),
  logFormat: log("--log-format FORMAT", "AIM_LOG_FORMAT", anyCase("text", "json"), "text")
    .describe("format of log lines"),
  debug: log("BOOL", "AIM_DEBUG", BOOLEAN, "false")
    .describe("log at DEBUG, with stacks"),
};

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export function settingsIn(...groups: readonly Setting["group"][]): SettingName[] {
  return SETTING_NAMES.filter((name) => groups.includes(SETTINGS[name].group));
}

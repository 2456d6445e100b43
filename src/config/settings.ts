/** How a setting's text becomes a value. */
export type SettingType =
  | { readonly kind: "text" }
  | { readonly kind: "path" }
  | { readonly kind: "choice"; readonly choices: readonly string[]; readonly ignoreCase?: boolean }
  | { readonly kind: "boolean" }
  /** A whole number in `[min, max]`, or the word `auto` if that is allowed. */
  | { readonly kind: "integer"; readonly min: number; readonly max: number; readonly auto?: boolean }
  /**
   * Bytes, spelled as GNU coreutils do: `1048576`, `8M` and `8MiB` (powers of 1024), `8MB` (powers of 1000).
   * A rate may end in `/s`.
   */
  | { readonly kind: "size"; readonly min: number; readonly max: number; readonly rate?: boolean }
  /** Seconds in, milliseconds out: `120`, `500ms`, `2m`, `1h`. `min` and `max` in seconds. */
  | { readonly kind: "duration"; readonly min: number; readonly max: number }
  /** A GPU or processor as people write it; the value is its name in the table of accelerators. */
  | { readonly kind: "accelerator" }
  | { readonly kind: "json-object" }
  | { readonly kind: "url" };

/** One setting: everything that parsing, validation, help and the README say of it comes from here. */
export interface Setting {
  /** Environment variables in the order they win. */
  readonly env: readonly string[];
  /** The first of them counts although it is empty: then the others are not read. */
  readonly emptyCounts?: boolean;
  /** `--flag` without dashes; `null` if only the environment sets it. */
  readonly flag: string | null;
  readonly flagAliases?: readonly string[];
  readonly type: SettingType;
  /** Text as a user would write it; a leading `$NAME` stands for that setting's value. `null`: unset. */
  readonly default: string | null;
  /** Word for the value in help. */
  readonly value: string;
  readonly help: string;
  readonly group: "model" | "gpu" | "profile" | "cache" | "source" | "download" | "adapter" | "log";
  /** Never shown, in help, errors or logs. */
  readonly secret?: boolean;
}

/**
 * A row of the table.
 *
 * @param usage `--flag VALUE` as in help, `--flag|--alias VALUE`, or only `VALUE` for a setting without a flag.
 * @param variables Environment variables in order of precedence, separated by spaces.
 */
function setting<const Row extends Pick<Setting, "emptyCounts" | "type" | "default" | "help" | "secret">>(
  group: Setting["group"],
  usage: string,
  variables: string,
  row: Row,
) {
  const words = usage.split(/[ |]/);
  const [flag = null, ...flagAliases] = words.filter((word) => word.startsWith("--")).map((word) =>
    word.slice(2)
  );
  return { ...row, group, env: variables.split(" "), flag, flagAliases, value: words.at(-1) ?? "" };
}

/** The settings, in the order of help and README. */
export const SETTINGS = {
  aimId: setting("model", "--aim-id ORG/MODEL", "AIM_ID", {
    type: { kind: "text" },
    default: null,
    help: "the model an image is made for; selects the profile set",
  }),
  modelId: setting("model", "--model MODEL", "AIM_MODEL_ID", {
    type: { kind: "text" },
    default: null,
    help: "org/model, hf://org/model, s3://bucket/prefix, or an absolute path",
  }),
  modelName: setting("model", "--model-name|--custom-model-name NAME", "AIM_CUSTOM_MODEL_NAME", {
    type: { kind: "text" },
    default: null,
    help: "local name of a model from S3, as org/model",
  }),
  port: setting("model", "--port PORT", "AIM_PORT", {
    type: { kind: "integer", min: 1, max: 65535 },
    default: "8000",
    help: "port that the engine listens on",
  }),
  engineArgs: setting("model", "--engine-args JSON", "AIM_ENGINE_ARGS", {
    type: { kind: "json-object" },
    default: null,
    help: "engine arguments that override the profile's, as a JSON object",
  }),
  engine: setting("profile", "--engine ENGINE", "AIM_ENGINE", {
    type: { kind: "text" },
    default: "vllm",
    help: "inference engine: vllm, vllm_omni, bentoml, or one of engines.yaml",
  }),
  configPath: setting("profile", "DIR", "AIM_CONFIG_PATH", {
    type: { kind: "path" },
    default: "/workspace/aim-runtime/config",
    help: "directory of engines.yaml",
  }),
  precision: setting("profile", "--precision PRECISION", "AIM_PRECISION", {
    type: { kind: "choice", choices: ["auto", "fp4", "fp8", "fp16", "fp32", "bf16", "int4", "int8"] },
    default: "auto",
    help: "precision that the profile must have",
  }),
  metric: setting("profile", "--metric METRIC", "AIM_METRIC", {
    type: { kind: "choice", choices: ["latency", "throughput"] },
    default: "latency",
    help: "what the profile is tuned for",
  }),
  profileId: setting("profile", "--profile ID", "AIM_PROFILE_ID", {
    type: { kind: "text" },
    default: null,
    help: "use this profile and skip selection",
  }),
  profilePath: setting("profile", "--profile-path DIR", "AIM_PROFILE_PATH", {
    type: { kind: "path" },
    default: "/workspace/aim-runtime/profiles",
    help: "directory of profiles on disk",
  }),
  embeddedProfiles: setting("profile", "--embedded-profiles BOOL", "AIM_EMBEDDED_PROFILES", {
    type: { kind: "boolean" },
    default: "true",
    help: "also use the profiles inside the executable",
  }),
  generalFallback: setting("profile", "--general-fallback BOOL", "AIM_ALLOW_GENERAL_PROFILE_FALLBACK", {
    type: { kind: "boolean" },
    default: "true",
    help: "use a general profile when none of the model's own fits",
  }),
  allowUnoptimized: setting("profile", "--allow-unoptimized BOOL", "AIM_ALLOW_UNOPTIMIZED", {
    type: { kind: "boolean" },
    default: "false",
    help: "allow an unmeasured profile when nothing else fits",
  }),
  acceleratorType: setting("gpu", "--accelerator-type TYPE", "AIM_ACCELERATOR_TYPE", {
    type: { kind: "choice", choices: ["gpu", "cpu"], ignoreCase: true },
    default: "gpu",
    help: "what the model runs on",
  }),
  acceleratorFamily: setting("gpu", "FAMILY", "AIM_ACCELERATOR_FAMILY", {
    type: { kind: "choice", choices: ["instinct", "radeon", "epyc", "cpu"], ignoreCase: true },
    default: null,
    help: "epyc (also if unset): recognise EPYC processors; any other: every processor is CPU",
  }),
  acceleratorModel: setting(
    "gpu",
    "--gpu-model|--accelerator-model MODEL",
    "AIM_ACCELERATOR_MODEL AIM_GPU_MODEL",
    {
      type: { kind: "accelerator" },
      default: null,
      help: "GPU or processor model, instead of detection",
    },
  ),
  acceleratorCount: setting(
    "gpu",
    "--gpu-count|--accelerator-count N",
    "AIM_ACCELERATOR_COUNT AIM_GPU_COUNT",
    {
      emptyCounts: true,
      type: { kind: "integer", min: 0, max: 1024, auto: true },
      default: "auto",
      help: "number of GPUs that the profile must use",
    },
  ),
  sysfsRoot: setting("gpu", "--sysfs-root DIR", "AIM_SYSFS_ROOT", {
    type: { kind: "path" },
    default: "/sys",
    help: "where sysfs is mounted",
  }),
  devRoot: setting("gpu", "--dev-root DIR", "AIM_DEV_ROOT", {
    type: { kind: "path" },
    default: "/dev",
    help: "directory of device nodes",
  }),
  procRoot: setting("gpu", "--proc-root DIR", "AIM_PROC_ROOT", {
    type: { kind: "path" },
    default: "/proc",
    help: "where procfs is mounted",
  }),
  amdSmi: setting("gpu", "--amd-smi PATH", "AIM_AMD_SMI", {
    type: { kind: "text" },
    default: "amd-smi",
    help: "the amd-smi program",
  }),
  cachePath: setting("cache", "--cache-path DIR", "AIM_CACHE_PATH", {
    type: { kind: "path" },
    default: "/workspace/model-cache",
    help: "base directory of the caches",
  }),
  hfHome: setting("cache", "DIR", "HF_HOME", {
    type: { kind: "path" },
    default: "$AIM_CACHE_PATH",
    help: "Hugging Face directory",
  }),
  hfHubCache: setting("cache", "DIR", "HF_HUB_CACHE HUGGINGFACE_HUB_CACHE", {
    type: { kind: "path" },
    default: "$HF_HOME/hub",
    help: "Hugging Face cache",
  }),
  hfEndpoint: setting("source", "--hf-endpoint URL", "HF_ENDPOINT", {
    type: { kind: "url" },
    default: "https://huggingface.co",
    help: "address of the hub",
  }),
  hfToken: setting("source", "TOKEN", "HF_TOKEN HUGGING_FACE_HUB_TOKEN", {
    type: { kind: "text" },
    default: null,
    help: "hub token; without it, the one in the file HF_TOKEN_PATH",
    secret: true,
  }),
  hfTokenPath: setting("source", "FILE", "HF_TOKEN_PATH", {
    type: { kind: "path" },
    default: "$HF_HOME/token",
    help: "file with the hub token; if HF_HOME is unset, also the file of hf auth login",
  }),
  offline: setting("source", "--offline BOOL", "HF_HUB_OFFLINE TRANSFORMERS_OFFLINE", {
    type: { kind: "boolean" },
    default: "0",
    help: "use no network, only the cache",
  }),
  protocols: setting("source", "LIST", "AIM_DOWNLOADER_PROTOCOL", {
    type: { kind: "text" },
    default: "HTTP",
    help: "ways to read from the hub, tried in this order: XET, HF_TRANSFER, HTTP",
  }),
  jobs: setting("download", "--jobs N", "AIM_DOWNLOAD_JOBS AIM_S3_MAX_CONCURRENCY AIM_S3_MAX_WORKERS", {
    type: { kind: "integer", min: 1, max: 256 },
    default: "16",
    help: "maximum parallel connections",
  }),
  partSize: setting("download", "--part-size SIZE", "AIM_DOWNLOAD_PART_SIZE AIM_S3_MULTIPART_CHUNKSIZE_MB", {
    type: { kind: "size", min: 65536, max: 2 ** 40 },
    default: null,
    help: "maximum part size; by default 16MiB, or 64MiB for a model with several large files",
  }),
  maxBandwidth: setting("download", "--max-bandwidth RATE", "AIM_DOWNLOAD_MAX_BANDWIDTH", {
    type: { kind: "size", min: 1024, max: 2 ** 50, rate: true },
    default: null,
    help: "maximum bytes per second over all connections, such as 50MiB",
  }),
  downloadFiles: setting("download", "--files WHICH", "AIM_DOWNLOAD_FILES", {
    type: { kind: "choice", choices: ["all", "serving"] },
    default: null,
    help:
      "all files of the model, or those that an engine loads; by default all, and serving if serve itself downloads",
  }),
  refuseUnsafe: setting("download", "--refuse-unsafe BOOL", "AIM_REFUSE_UNSAFE", {
    type: { kind: "boolean" },
    default: "false",
    help: "refuse models with pickled weights or Python code of their own (auto_map)",
  }),
  modelSignature: setting("download", "--signature FILE", "AIM_MODEL_SIGNATURE", {
    type: { kind: "path" },
    default: null,
    help: "OpenSSF signature of the model; by default its own model.sig, if a key or certificates are given",
  }),
  signatureKey: setting("download", "--key FILE", "AIM_MODEL_SIGNATURE_KEY", {
    type: { kind: "path" },
    default: null,
    help: "public key (PEM) that the model must be signed with",
  }),
  signatureCertificates: setting("download", "--certificate-chain FILE", "AIM_MODEL_SIGNATURE_CERTIFICATES", {
    type: { kind: "path" },
    default: null,
    help: "trusted certificates (PEM); the model's signer must have one of them",
  }),
  stallTimeout: setting("download", "--stall-timeout SECONDS", "STALL_TIMEOUT", {
    type: { kind: "duration", min: 1, max: 86400 },
    default: "120",
    help: "a connection that sends nothing for this long is closed and retried",
  }),
  adapterSource: setting("adapter", "DIR", "AIM_ADAPTER_SOURCE", {
    type: { kind: "path" },
    default: "/workspace/cache/adapters",
    help: "folder of LoRA adapters, one folder per adapter",
  }),
  adapterMode: setting("adapter", "MODE", "AIM_ADAPTER_MODE", {
    type: { kind: "choice", choices: ["static", "dynamic"] },
    default: "static",
    help: "load adapters at start, or also while the engine runs",
  }),
  adapterRefreshInterval: setting("adapter", "SECONDS", "AIM_ADAPTER_REFRESH_INTERVAL", {
    type: { kind: "duration", min: 1, max: 86400 },
    default: "30",
    help: "dynamic adapters: how often the folder is checked, at least every 5 s",
  }),
  adapterMaxCount: setting("adapter", "N", "AIM_ADAPTER_MAX_COUNT", {
    type: { kind: "integer", min: 1, max: 10000 },
    default: "8",
    help: "maximum adapters in GPU memory",
  }),
  adapterMaxCpuCount: setting("adapter", "N", "AIM_ADAPTER_MAX_CPU_COUNT", {
    type: { kind: "integer", min: 1, max: 10000 },
    default: "16",
    help: "maximum adapters in host memory; at least AIM_ADAPTER_MAX_COUNT",
  }),
  adapterMaxRank: setting("adapter", "RANK", "AIM_ADAPTER_MAX_RANK", {
    type: { kind: "choice", choices: ["1", "8", "16", "32", "64", "128", "256", "320", "512"] },
    default: "32",
    help: "maximum rank of an adapter; larger ones are left out",
  }),
  progressInterval: setting("download", "SECONDS", "PROGRESS_INTERVAL", {
    type: { kind: "duration", min: 0.1, max: 3600 },
    default: "5",
    help: "how often progress is reported to the AIMArtifact",
  }),
  targetDir: setting("download", "DIR", "TARGET_DIR MOUNT_PATH", {
    type: { kind: "path" },
    default: null,
    help: "where fetch downloads to, unless DEST is given",
  }),
  logLevel: setting("log", "--log-level LEVEL", "AIM_LOG_LEVEL AIM_S3_LOG_LEVEL", {
    type: { kind: "choice", choices: ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], ignoreCase: true },
    default: "INFO",
    help: "lowest level that is logged (AIM_DEBUG=true means DEBUG)",
  }),
  logLevelRoot: setting("log", "LEVEL", "AIM_LOG_LEVEL_ROOT", {
    type: { kind: "choice", choices: ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], ignoreCase: true },
    default: "WARNING",
    help: "the same for libraries",
  }),
  logFormat: setting("log", "--log-format FORMAT", "AIM_LOG_FORMAT", {
    type: { kind: "choice", choices: ["text", "json"], ignoreCase: true },
    default: "text",
    help: "how log lines look",
  }),
  debug: setting("log", "BOOL", "AIM_DEBUG", {
    type: { kind: "boolean" },
    default: "false",
    help: "log at DEBUG, with stacks",
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

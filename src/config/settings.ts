/** How a setting's text becomes a value. */
export type SettingType =
  | { readonly kind: "text" }
  | { readonly kind: "path" }
  | { readonly kind: "choice"; readonly choices: readonly string[]; readonly ignoreCase?: boolean }
  | { readonly kind: "boolean" }
  /** A whole number in `[min, max]`, or the word `auto` where that is allowed. */
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
  /** `--flag` without dashes; `null` where only the environment sets it. */
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

const setting = <const S extends Setting>(s: S): S => s;

/** The settings, in the order of help and README. */
export const SETTINGS = {
  aimId: setting({
    env: ["AIM_ID"],
    flag: "aim-id",
    type: { kind: "text" },
    default: null,
    value: "ORG/MODEL",
    help: "the model an image is made for; selects the profile set",
    group: "model",
  }),
  modelId: setting({
    env: ["AIM_MODEL_ID"],
    flag: "model",
    type: { kind: "text" },
    default: null,
    value: "MODEL",
    help: "org/model, hf://org/model, s3://bucket/prefix, or an absolute path",
    group: "model",
  }),
  modelName: setting({
    env: ["AIM_CUSTOM_MODEL_NAME"],
    flag: "model-name",
    flagAliases: ["custom-model-name"],
    type: { kind: "text" },
    default: null,
    value: "NAME",
    help: "local name of a model from S3, as org/model",
    group: "model",
  }),
  port: setting({
    env: ["AIM_PORT"],
    flag: "port",
    type: { kind: "integer", min: 1, max: 65535 },
    default: "8000",
    value: "PORT",
    help: "port that the engine listens on",
    group: "model",
  }),
  engineArgs: setting({
    env: ["AIM_ENGINE_ARGS"],
    flag: "engine-args",
    type: { kind: "json-object" },
    default: null,
    value: "JSON",
    help: "engine arguments that override the profile's, as a JSON object",
    group: "model",
  }),
  engine: setting({
    env: ["AIM_ENGINE"],
    flag: "engine",
    type: { kind: "text" },
    default: "vllm",
    value: "ENGINE",
    help: "inference engine: vllm, vllm_omni, bentoml, or one of engines.yaml",
    group: "profile",
  }),
  configPath: setting({
    env: ["AIM_CONFIG_PATH"],
    flag: null,
    type: { kind: "path" },
    default: "/workspace/aim-runtime/config",
    value: "DIR",
    help: "directory of engines.yaml",
    group: "profile",
  }),
  precision: setting({
    env: ["AIM_PRECISION"],
    flag: "precision",
    type: { kind: "choice", choices: ["auto", "fp4", "fp8", "fp16", "fp32", "bf16", "int4", "int8"] },
    default: "auto",
    value: "PRECISION",
    help: "precision that the profile must have",
    group: "profile",
  }),
  metric: setting({
    env: ["AIM_METRIC"],
    flag: "metric",
    type: { kind: "choice", choices: ["latency", "throughput"] },
    default: "latency",
    value: "METRIC",
    help: "what the profile is tuned for",
    group: "profile",
  }),
  profileId: setting({
    env: ["AIM_PROFILE_ID"],
    flag: "profile",
    type: { kind: "text" },
    default: null,
    value: "ID",
    help: "use this profile and skip selection",
    group: "profile",
  }),
  profilePath: setting({
    env: ["AIM_PROFILE_PATH"],
    flag: "profile-path",
    type: { kind: "path" },
    default: "/workspace/aim-runtime/profiles",
    value: "DIR",
    help: "directory of profiles on disk",
    group: "profile",
  }),
  embeddedProfiles: setting({
    env: ["AIM_EMBEDDED_PROFILES"],
    flag: "embedded-profiles",
    type: { kind: "boolean" },
    default: "true",
    value: "BOOL",
    help: "also use the profiles inside the executable",
    group: "profile",
  }),
  generalFallback: setting({
    env: ["AIM_ALLOW_GENERAL_PROFILE_FALLBACK"],
    flag: "general-fallback",
    type: { kind: "boolean" },
    default: "true",
    value: "BOOL",
    help: "select a general profile where no profile of the model fits",
    group: "profile",
  }),
  allowUnoptimized: setting({
    env: ["AIM_ALLOW_UNOPTIMIZED"],
    flag: "allow-unoptimized",
    type: { kind: "boolean" },
    default: "false",
    value: "BOOL",
    help: "select a profile that nobody has measured where nothing else fits",
    group: "profile",
  }),
  acceleratorType: setting({
    env: ["AIM_ACCELERATOR_TYPE"],
    flag: "accelerator-type",
    type: { kind: "choice", choices: ["gpu", "cpu"], ignoreCase: true },
    default: "gpu",
    value: "TYPE",
    help: "what the model runs on",
    group: "gpu",
  }),
  acceleratorFamily: setting({
    env: ["AIM_ACCELERATOR_FAMILY"],
    flag: null,
    type: { kind: "choice", choices: ["instinct", "radeon", "epyc", "cpu"], ignoreCase: true },
    default: null,
    value: "FAMILY",
    help: "epyc (also if unset): recognise EPYC processors; any other: every processor is CPU",
    group: "gpu",
  }),
  acceleratorModel: setting({
    env: ["AIM_ACCELERATOR_MODEL", "AIM_GPU_MODEL"],
    flag: "gpu-model",
    flagAliases: ["accelerator-model"],
    type: { kind: "accelerator" },
    default: null,
    value: "MODEL",
    help: "GPU or processor model, instead of detection",
    group: "gpu",
  }),
  acceleratorCount: setting({
    env: ["AIM_ACCELERATOR_COUNT", "AIM_GPU_COUNT"],
    emptyCounts: true,
    flag: "gpu-count",
    flagAliases: ["accelerator-count"],
    type: { kind: "integer", min: 0, max: 1024, auto: true },
    default: "auto",
    value: "N",
    help: "number of GPUs that the profile must use",
    group: "gpu",
  }),
  sysfsRoot: setting({
    env: ["AIM_SYSFS_ROOT"],
    flag: "sysfs-root",
    type: { kind: "path" },
    default: "/sys",
    value: "DIR",
    help: "where sysfs is mounted",
    group: "gpu",
  }),
  devRoot: setting({
    env: ["AIM_DEV_ROOT"],
    flag: "dev-root",
    type: { kind: "path" },
    default: "/dev",
    value: "DIR",
    help: "directory of device nodes",
    group: "gpu",
  }),
  procRoot: setting({
    env: ["AIM_PROC_ROOT"],
    flag: "proc-root",
    type: { kind: "path" },
    default: "/proc",
    value: "DIR",
    help: "where procfs is mounted",
    group: "gpu",
  }),
  amdSmi: setting({
    env: ["AIM_AMD_SMI"],
    flag: "amd-smi",
    type: { kind: "text" },
    default: "amd-smi",
    value: "PATH",
    help: "the amd-smi program",
    group: "gpu",
  }),
  cachePath: setting({
    env: ["AIM_CACHE_PATH"],
    flag: "cache-path",
    type: { kind: "path" },
    default: "/workspace/model-cache",
    value: "DIR",
    help: "base directory of the caches",
    group: "cache",
  }),
  hfHome: setting({
    env: ["HF_HOME"],
    flag: null,
    type: { kind: "path" },
    default: "$AIM_CACHE_PATH",
    value: "DIR",
    help: "Hugging Face directory",
    group: "cache",
  }),
  hfHubCache: setting({
    env: ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"],
    flag: null,
    type: { kind: "path" },
    default: "$HF_HOME/hub",
    value: "DIR",
    help: "Hugging Face cache",
    group: "cache",
  }),
  hfEndpoint: setting({
    env: ["HF_ENDPOINT"],
    flag: "hf-endpoint",
    type: { kind: "url" },
    default: "https://huggingface.co",
    value: "URL",
    help: "address of the hub",
    group: "source",
  }),
  hfToken: setting({
    env: ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"],
    flag: null,
    type: { kind: "text" },
    default: null,
    value: "TOKEN",
    help: "hub token; without it, the one in the file HF_TOKEN_PATH",
    group: "source",
    secret: true,
  }),
  hfTokenPath: setting({
    env: ["HF_TOKEN_PATH"],
    flag: null,
    type: { kind: "path" },
    default: "$HF_HOME/token",
    value: "FILE",
    help: "file that holds the hub token; with HF_HOME unset, the one of hf auth login is used too",
    group: "source",
  }),
  offline: setting({
    env: ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"],
    flag: "offline",
    type: { kind: "boolean" },
    default: "0",
    value: "BOOL",
    help: "use no network: only what is in the cache",
    group: "source",
  }),
  protocols: setting({
    env: ["AIM_DOWNLOADER_PROTOCOL"],
    flag: null,
    type: { kind: "text" },
    default: "HTTP",
    value: "LIST",
    help: "ways to read from the hub, tried in this order: XET, HF_TRANSFER, HTTP",
    group: "source",
  }),
  jobs: setting({
    env: ["AIM_DOWNLOAD_JOBS", "AIM_S3_MAX_CONCURRENCY", "AIM_S3_MAX_WORKERS"],
    flag: "jobs",
    type: { kind: "integer", min: 1, max: 256 },
    default: "16",
    value: "N",
    help: "connections at once, at most",
    group: "download",
  }),
  partSize: setting({
    env: ["AIM_DOWNLOAD_PART_SIZE", "AIM_S3_MULTIPART_CHUNKSIZE_MB"],
    flag: "part-size",
    type: { kind: "size", min: 65536, max: 2 ** 40 },
    default: null,
    value: "SIZE",
    help: "bytes a part, at most; by default 16MiB, or 64MiB of a model of several large files",
    group: "download",
  }),
  maxBandwidth: setting({
    env: ["AIM_DOWNLOAD_MAX_BANDWIDTH"],
    flag: "max-bandwidth",
    type: { kind: "size", min: 1024, max: 2 ** 50, rate: true },
    default: null,
    value: "RATE",
    help: "bytes a second over all connections, as 50MiB",
    group: "download",
  }),
  stallTimeout: setting({
    env: ["STALL_TIMEOUT"],
    flag: "stall-timeout",
    type: { kind: "duration", min: 1, max: 86400 },
    default: "120",
    value: "SECONDS",
    help: "a connection that sends nothing for so long is given up and tried again",
    group: "download",
  }),
  adapterSource: setting({
    env: ["AIM_ADAPTER_SOURCE"],
    flag: null,
    type: { kind: "path" },
    default: "/workspace/cache/adapters",
    value: "DIR",
    help: "folder of LoRA adapters, one folder per adapter",
    group: "adapter",
  }),
  adapterMode: setting({
    env: ["AIM_ADAPTER_MODE"],
    flag: null,
    type: { kind: "choice", choices: ["static", "dynamic"] },
    default: "static",
    value: "MODE",
    help: "load adapters at start, or also while the engine runs",
    group: "adapter",
  }),
  adapterRefreshInterval: setting({
    env: ["AIM_ADAPTER_REFRESH_INTERVAL"],
    flag: null,
    type: { kind: "duration", min: 1, max: 86400 },
    default: "30",
    value: "SECONDS",
    help: "dynamic adapters: time between two looks at the folder, at least 5 s",
    group: "adapter",
  }),
  adapterMaxCount: setting({
    env: ["AIM_ADAPTER_MAX_COUNT"],
    flag: null,
    type: { kind: "integer", min: 1, max: 10000 },
    default: "8",
    value: "N",
    help: "maximum adapters in GPU memory",
    group: "adapter",
  }),
  adapterMaxCpuCount: setting({
    env: ["AIM_ADAPTER_MAX_CPU_COUNT"],
    flag: null,
    type: { kind: "integer", min: 1, max: 10000 },
    default: "16",
    value: "N",
    help: "maximum adapters in host memory; at least AIM_ADAPTER_MAX_COUNT",
    group: "adapter",
  }),
  adapterMaxRank: setting({
    env: ["AIM_ADAPTER_MAX_RANK"],
    flag: null,
    type: { kind: "choice", choices: ["1", "8", "16", "32", "64", "128", "256", "320", "512"] },
    default: "32",
    value: "RANK",
    help: "maximum rank of an adapter; larger ones are left out",
    group: "adapter",
  }),
  progressInterval: setting({
    env: ["PROGRESS_INTERVAL"],
    flag: null,
    type: { kind: "duration", min: 0.1, max: 3600 },
    default: "5",
    value: "SECONDS",
    help: "time between two reports to the AIMArtifact",
    group: "download",
  }),
  targetDir: setting({
    env: ["TARGET_DIR", "MOUNT_PATH"],
    flag: null,
    type: { kind: "path" },
    default: null,
    value: "DIR",
    help: "where fetch downloads to, unless DEST is given",
    group: "download",
  }),
  logLevel: setting({
    env: ["AIM_LOG_LEVEL", "AIM_S3_LOG_LEVEL"],
    flag: "log-level",
    type: { kind: "choice", choices: ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], ignoreCase: true },
    default: "INFO",
    value: "LEVEL",
    help: "lowest level that is logged (AIM_DEBUG=true means DEBUG)",
    group: "log",
  }),
  logLevelRoot: setting({
    env: ["AIM_LOG_LEVEL_ROOT"],
    flag: null,
    type: { kind: "choice", choices: ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], ignoreCase: true },
    default: "WARNING",
    value: "LEVEL",
    help: "the same for libraries",
    group: "log",
  }),
  logFormat: setting({
    env: ["AIM_LOG_FORMAT"],
    flag: "log-format",
    type: { kind: "choice", choices: ["text", "json"], ignoreCase: true },
    default: "text",
    value: "FORMAT",
    help: "how log lines look",
    group: "log",
  }),
  debug: setting({
    env: ["AIM_DEBUG"],
    flag: null,
    type: { kind: "boolean" },
    default: "false",
    value: "BOOL",
    help: "log at DEBUG, with stacks",
    group: "log",
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

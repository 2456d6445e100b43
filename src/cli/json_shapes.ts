/** What a command's `--format json` prints on standard output. */
export interface JsonShape {
  /** As typed after `aim`. */
  readonly command: string;
  /** `object` or `array` of one object; always alone on standard output, dry-run's as the last line. */
  readonly kind: "object" | "array";
  /** Keys of the object. One is only ever added; what a key means changes with `version` alone. */
  readonly keys: readonly string[];
  readonly says: string;
}

/** The JSON of every command. Sizes are bytes, times milliseconds, dates RFC 3339. */
export const JSON_SHAPES: readonly JsonShape[] = [
  {
    command: "dry-run --format json",
    kind: "array",
    keys: ["filename", "path", "profile", "models", "script", "command", "env", "resolution", "explanation"],
    says:
      "what serve would run; models[].size_gb is GiB, null where nothing can tell (no version: AMD's AIM Engine reads it)",
  },
  {
    command: "list-profiles --format json",
    kind: "array",
    keys: ["profile_id", "compatibility", "profile", "path", "priority", "selected", "manualOnly", "reason"],
    says: "every profile with its state and reason (AMD's shape; --format yaml prints the same)",
  },
  {
    command: "download-to-cache --format json",
    kind: "object",
    keys: [
      ...[
        "schemaVersion",
        "source",
        "commit",
        "layout",
        "path",
        "files",
        "bytes",
        "bytesMoved",
        "bytesPresent",
      ],
      ...["provenBySize", "model", "elapsedMs"],
    ],
    says: "what was brought; fetch prints the same",
  },
  {
    command: "size",
    kind: "object",
    keys: ["url", "sizeBytes"],
    says: "on one line (no version: KServe reads it)",
  },
  {
    command: "resolve --format json",
    kind: "object",
    keys: ["schemaVersion", "model", "kind", "looked"],
    says:
      "kind is path, hub or missing; path or snapshot where it lies; looked is every place with its state",
  },
  {
    command: "cache list --format json",
    kind: "object",
    keys: ["schemaVersion", "paths", "folders"],
    says: "models[] in each folder; diskBytes and freeBytes of the disk",
  },
  {
    command: "cache verify --format json",
    kind: "object",
    keys: ["schemaVersion", "models"],
    says: "findings[] is every bad or missing file",
  },
  {
    command: "cache remove --format json",
    kind: "object",
    keys: ["schemaVersion", "removed", "freedBytes"],
    says: "needs --yes",
  },
  {
    command: "cache pin --format json",
    kind: "object",
    keys: ["schemaVersion", "models"],
    says: "models[] with pinned",
  },
  {
    command: "cache prune --format json",
    kind: "object",
    keys: ["schemaVersion", "removed", "freedBytes"],
    says: "needs --yes",
  },
  {
    command: "detect-hardware",
    kind: "array",
    keys: ["accelerator_type", "accelerator_model", "accelerator_count"],
    says: "one for each kind of hardware (no version: AMD's node labeller reads it)",
  },
  {
    command: "gpus --format json",
    kind: "object",
    keys: [
      ...[
        "schemaVersion",
        "type",
        "source",
        "gpus",
        "cpu",
        "model",
        "count",
        "partitioned",
        "warnings",
        "reasons",
      ],
    ],
    says: "gpus[] with visible and hiddenBecause; model and count are what profiles are chosen for",
  },
  {
    command: "doctor --format json",
    kind: "object",
    keys: ["schemaVersion", "ok", "checks"],
    says: "checks[] with name, state (ok, warning, failed), found, todo",
  },
  {
    command: "profiles validate --format json",
    kind: "object",
    keys: ["schemaVersion", "files", "faults", "warnings"],
    says: "faults[] and warnings[] with path, line, column, reason",
  },
];

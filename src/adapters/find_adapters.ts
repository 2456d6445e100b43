import type { Config } from "../config/config.ts";
import { log } from "../log/logger.ts";
import { fieldsOf, jsonOrNull } from "../values/json.ts";
import { readRegularText } from "../os/read_regular_file.ts";

export interface Adapter {
  /** The folder's name, which clients use. */
  readonly name: string;
  readonly path: string;
  /** Changes when a file of the adapter changes. */
  readonly stamp: string;
}

/** Folder names that AMD's runtime accepts for adapters; not `.staging` and a ConfigMap's `..data`. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const CONFIG = "adapter_config.json";
const WEIGHTS = ["adapter_model.safetensors", "adapter_model.bin"];
/** Configurations have a few hundred bytes. */
const CONFIG_LIMIT = 1024 * 1024;

/**
 * Finds the LoRA adapters in a folder, sorted by name: each is a folder with `adapter_config.json` and
 * weights. Warns of those that the engine would refuse, and leaves them out.
 *
 * Requires `--allow-read`.
 */
export async function findAdapters(
  { adapterSource: source, adapterMaxRank }: Pick<Config, "adapterSource" | "adapterMaxRank">,
  warn: (text: string) => void = (text) => log.warn(text),
): Promise<readonly Adapter[]> {
  const adapters: Adapter[] = [];
  for (const name of await folderNames(source, warn)) {
    const path = `${source}/${name}`;
    const stamps = await Promise.all([CONFIG, ...WEIGHTS].map((file) => stampOf(`${path}/${file}`)));
    const [config, ...weights] = stamps;
    if (config === null || weights.every((stamp) => stamp === null)) continue;
    const rank = await rankOf(`${path}/${CONFIG}`);
    if (typeof rank === "string") warn(`adapter ${name} is left out: ${rank}`);
    else if (rank > Number(adapterMaxRank)) {
      warn(`adapter ${name} is left out: its rank ${rank} is above AIM_ADAPTER_MAX_RANK=${adapterMaxRank}`);
    } else adapters.push({ name, path, stamp: stamps.join(" ") });
  }
  return adapters;
}

async function folderNames(source: string, warn: (text: string) => void): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(source));
    return entries.filter((e) => !e.isFile && NAME.test(e.name)).map((e) => e.name).sort();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      warn(`no adapters: ${source} cannot be read (${error instanceof Error ? error.message : error})`);
    }
    return [];
  }
}

/** Size and time of a regular file; `null` if there is none. */
async function stampOf(path: string): Promise<string | null> {
  try {
    const info = await Deno.stat(path);
    return info.isFile ? `${info.size}@${info.mtime?.getTime() ?? 0}` : null;
  } catch {
    return null;
  }
}

/** The rank in a configuration, or why there is none. */
async function rankOf(path: string): Promise<number | string> {
  const text = await readRegularText(path, CONFIG_LIMIT);
  if (text.kind !== "ok") return `${CONFIG} cannot be read`;
  const value = jsonOrNull(text.value);
  if (value === null) return `${CONFIG} is not JSON`;
  const { r } = fieldsOf(value);
  return typeof r === "number" && Number.isSafeInteger(r) && r > 0 ? r : `${CONFIG} has no rank "r"`;
}

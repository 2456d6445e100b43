import { log } from "../log/logger.ts";
import type { EngineVersion } from "./engine_version.ts";

/**
 * Directories that engines and the libraries below them write compiled code to. Without them each new
 * container compiles for minutes before it serves.
 */
const CACHES = {
  VLLM_CACHE_ROOT: "vllm",
  TRITON_CACHE_DIR: "triton",
  TORCHINDUCTOR_CACHE_DIR: "inductor",
  AITER_JIT_DIR: "aiter",
} as const;

/** Next to the models, where no command lists it as a model. */
const FOLDER = ".aim/compiled";

/**
 * Chooses directories for compiled code: on the cache volume, named by what the code depends on, or in a
 * temporary directory if the volume cannot be written.
 *
 * Requires `--allow-write`.
 *
 * @param accelerator `MI300X`.
 * @param env The engine's environment so far. Variables that it sets are kept.
 * @returns What to add to it.
 */
export async function compileCaches(
  cacheRoot: string,
  accelerator: string,
  version: EngineVersion | null,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Record<string, string>> {
  const missing = Object.entries(CACHES).filter(([name]) => (env[name] ?? "") === "");
  if (missing.length === 0) return {};
  const image = env.AIM_BASE_IMAGE_REF || env.AIM_UPSTREAM_IMAGE_REF;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(image ?? ""));
  const from = image ? new Uint8Array(digest).toHex().slice(0, 12) : "host";
  const name = [accelerator, version?.text ?? "unknown", from].join("-").replaceAll(/[^A-Za-z0-9._-]/g, "_");
  const temporary = env.TMPDIR ?? "/tmp";
  const folder = ownFolder(`${cacheRoot}/${FOLDER}/${name}`) ??
    ownFolder(`${temporary}/aim-compiled-${Deno.uid()}-${name}`);
  if (folder === null) return {};
  log.debug("directory for compiled code", { path: folder });
  return Object.fromEntries(missing.map(([variable, child]) => [variable, `${folder}/${child}`]));
}

/**
 * Creates a folder if needed; `null` unless this user owns it and can write to it: the engine runs its files.
 */
function ownFolder(path: string): string | null {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    const info = Deno.lstatSync(path);
    if (!info.isDirectory || info.uid !== Deno.uid()) throw new Error("it belongs to another user");
    const probe = `${path}/.${crypto.randomUUID().slice(0, 8)}`;
    // The asynchronous call would load Deno's streams, which takes a tenth of the start time.
    Deno.writeTextFileSync(probe, "", { createNew: true });
    Deno.removeSync(probe);
    return path;
  } catch (error) {
    log.debug(`compiled code is not kept in ${path}: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}

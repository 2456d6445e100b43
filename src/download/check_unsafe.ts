import { readTextOrNull } from "../cache/files.ts";
import { unsafeFiles } from "../cache/judge/unsafe_files.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import type { Manifest } from "../sources/manifest.ts";
import { readText } from "../sources/read_text.ts";
import type { Source } from "../sources/source.ts";
import { jsonOrNull } from "../values/json.ts";

/** The model's configuration. The tokenizer's is large, and rarely names code. */
const CONFIG = "config.json";
const LARGEST_CONFIG = 1 << 20;

/**
 * Reports files that can run the publisher's code. Pickles are found by their names; the configuration is
 * read before the download only if such files are refused.
 *
 * @throws {AimError} `integrity` if they are refused.
 */
export async function checkUnsafe(
  source: Source,
  { files }: Manifest,
  { refuseUnsafe = false, signal }: { readonly refuseUnsafe?: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const config = files.find(({ path, size }) => refuseUnsafe && path === CONFIG && size <= LARGEST_CONFIG);
  const text = config === undefined ? null : await readText(source, config, signal);
  const unsafe = unsafeFiles(files.map(({ path }) => path), jsonOrNull(text ?? ""));
  if (unsafe === null) return;
  if (!refuseUnsafe) return log.warn(`${source.uri}: ${unsafe.words}`);
  throw new AimError(
    "integrity",
    `${source.uri} is refused, because AIM_REFUSE_UNSAFE is on: ${unsafe.words}`,
    {
      hint: unsafe.code
        ? "use a model without its own code, or unset AIM_REFUSE_UNSAFE"
        : "leave them out with --files serving or --exclude, or use a model in safetensors",
    },
  );
}

/** Warns if a downloaded configuration names the model's own code. */
export async function warnOfCode({ uri }: Source, path: string): Promise<void> {
  const text = await readTextOrNull(`${path}/${CONFIG}`).catch(() => null);
  const unsafe = unsafeFiles([], jsonOrNull(text ?? ""));
  if (unsafe !== null) log.warn(`${uri}: ${unsafe.words}`);
}

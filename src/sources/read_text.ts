import type { ManifestFile } from "./manifest.ts";
import type { Source } from "./source.ts";
import { readBounded } from "./transport/read_bounded.ts";

/**
 * Reads a small file of a source, up to its size.
 *
 * @throws As {@linkcode Source.read}.
 */
export async function readText(source: Source, file: ManifestFile, signal: AbortSignal): Promise<string> {
  const body = await source.read(file, null, signal);
  return new TextDecoder().decode(await readBounded(body, source.uri, file.size));
}

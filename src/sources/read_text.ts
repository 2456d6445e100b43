import type { ManifestFile } from "./manifest.ts";
import type { Source } from "./source.ts";

/**
 * Reads a small file of a source whole.
 *
 * @throws As {@linkcode Source.read}.
 */
export async function readText(source: Source, file: ManifestFile, signal: AbortSignal): Promise<string> {
  const { body } = await source.read(file, null, signal);
  if (body instanceof ReadableStream) return await new Response(body).text();
  const bytes = new Uint8Array(file.size);
  for (let at = 0; at < bytes.length;) {
    const read = await body.read(bytes.subarray(at));
    if (read === null) break;
    at += read;
  }
  return new TextDecoder().decode(bytes);
}

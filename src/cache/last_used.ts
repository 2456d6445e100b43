import { lstatOrNull } from "./files.ts";
import { AIM_FOLDER } from "./layout.ts";

/**
 * Records that a model is used, since the access times of its files also change when a cache is listed. Does
 * nothing for models that aim has not downloaded, and in read-only caches.
 *
 * @param place The model's folder, or a snapshot in it.
 */
export async function markUsed(place: string, at: Date = new Date()): Promise<void> {
  const folder = place.replace(/\/snapshots\/[^/]+$/, "");
  try {
    if ((await lstatOrNull(`${folder}/${AIM_FOLDER}`))?.isDirectory !== true) return;
    // The asynchronous call would load Deno's streams, which takes a tenth of the startup time.
    Deno.writeTextFileSync(markOf(folder), "");
    await Deno.utime(markOf(folder), at, at);
  } catch { /* read-only */ }
}

/** When a model was last used, in milliseconds since 1970; `null` if unknown. */
export async function lastUsedOf(folder: string): Promise<number | null> {
  const mark = await lstatOrNull(markOf(folder));
  return mark?.isFile ? mark.mtime?.getTime() ?? null : null;
}

function markOf(folder: string): string {
  return `${folder}/${AIM_FOLDER}/used`;
}

import { errorFrom } from "../errors/from_unknown.ts";
import { isAbsence } from "./files.ts";

/**
 * Links of a model that lead out of its cache. Whoever may write to a cache could otherwise have any file of this host read, and served.
 *
 * @param folder The model's; may lie behind links itself, as long as they stay in the cache.
 * @param links Relative to the folder.
 * @param roots Folders that may be led to; links on the way to these are the owner's own.
 * @returns Where each leads to, by relative path (`""` for the folder itself); links that lead nowhere do not count.
 */
export function strayLinks(
  folder: string,
  links: readonly string[],
  roots: readonly string[],
): ReadonlyMap<string, string> {
  const trusted = roots.map(realPathOrNull).filter((root) => root !== null);
  const strays = new Map<string, string>();
  for (const link of ["", ...links]) {
    // Synchronous: what it asks the file system was just looked at.
    const target = realPathOrNull(link === "" ? folder : `${folder}/${link}`);
    if (target !== null && !trusted.some((root) => isInside(target, root))) strays.set(link, target);
  }
  return strays;
}

/** Says so of the first one; `null` where there is none. */
export function strayInWords(strays: ReadonlyMap<string, string>): string | null {
  for (const [link, target] of strays) {
    return `${link === "" ? "it" : link} is a symbolic link that leads out of the cache, to ${target}`;
  }
  return null;
}

function realPathOrNull(path: string): string | null {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (isAbsence(error)) return null;
    throw errorFrom(error, `reading ${path}`);
  }
}

function isInside(path: string, root: string): boolean {
  return root === "/" || path === root || path.startsWith(`${root}/`);
}

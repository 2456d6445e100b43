import { errorFrom } from "../errors/from_unknown.ts";
import { isAbsence } from "./files.ts";

/**
 * Finds links of a model that point out of its cache: with them, anyone who may write to the cache could have any file
 * of this host served.
 *
 * @param folder The model's; its path may have links that stay in the cache.
 * @param links Relative to the folder.
 * @param roots Allowed folders; their own paths may have links.
 * @returns Targets by relative path (`""` for the folder itself). Dangling links are ignored.
 */
export function strayLinks(
  folder: string,
  links: readonly string[],
  roots: readonly string[],
): ReadonlyMap<string, string> {
  const trusted = roots.map(realPathOrNull).filter((root) => root !== null);
  const strays = new Map<string, string>();
  for (const link of ["", ...links]) {
    // Synchronous, since the kernel has just seen these paths.
    const target = realPathOrNull(link === "" ? folder : `${folder}/${link}`);
    if (target !== null && !trusted.some((root) => isInside(target, root))) strays.set(link, target);
  }
  return strays;
}

/** Text about the first one; `null` if there are none. */
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

/**
 * Where the profiles that come with the program lie: `profiles/` at the root of the source tree (also inside a compiled
 * executable, which keeps the tree), or beside the one file that everything was bundled into.
 */
export function embeddedRoot(moduleUrl: string = import.meta.url): URL {
  return new URL(isBundled(moduleUrl) ? "./profiles/" : "../../profiles/", moduleUrl);
}

/** Whether this is the one file, with the profiles of each folder in one file too. */
export function isBundled(moduleUrl: string = import.meta.url): boolean {
  return !moduleUrl.endsWith(OWN_PLACE);
}

const OWN_PLACE = "/src/profiles/embedded_root.ts";

/**
 * Where the profiles that come with the program lie: `profiles/` at the root of the source tree (also inside a compiled
 * executable, which keeps the tree), or beside the one file that everything was bundled into.
 */
export function embeddedRoot(moduleUrl: string = import.meta.url): URL {
  return new URL(moduleUrl.endsWith(OWN_PLACE) ? "../../profiles/" : "./profiles/", moduleUrl);
}

const OWN_PLACE = "/src/profiles/embedded_root.ts";

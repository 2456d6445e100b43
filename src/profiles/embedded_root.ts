/**
 * Path of the profiles that come with the program: `profiles/` at the root of the source tree (also inside a
 * compiled executable, which keeps the tree), or beside the one file that everything was bundled into.
 */
export function embeddedRoot(module: string = import.meta.filename ?? ""): string {
  const end = isBundled(module) ? module.lastIndexOf("/") : module.length - OWN_PLACE.length;
  return `${module.slice(0, end)}/profiles`;
}

/** Whether this is the one file, with the profiles of each folder in one file too. */
export function isBundled(module: string = import.meta.filename ?? ""): boolean {
  return !module.endsWith(OWN_PLACE);
}

const OWN_PLACE = "/src/profiles/embedded_root.ts";

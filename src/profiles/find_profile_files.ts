import { fileType } from "../os/file_type.ts";
import type { ProfileFault } from "./types.ts";

/**
 * The `.yaml` and `.yml` files of a folder at any depth, by name, and folders that cannot be read. Hidden
 * ones are left out. Links are followed, since a Kubernetes ConfigMap is mounted as links into a hidden
 * folder; a file with several links is listed once. A folder that does not exist is empty.
 */
export function findProfileFiles(folder: string): { files: string[]; faults: ProfileFault[] } {
  const files: string[] = [];
  const faults: ProfileFault[] = [];
  const seen = new Set<string>();
  const visit = (path: string, realFolder: string) => {
    try {
      for (const entry of [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1)) {
        if (entry.name.startsWith(".")) continue;
        const inside = `${path}/${entry.name}`;
        const real = entry.isSymlink ? realPath(inside) : `${realFolder}/${entry.name}`;
        if (seen.has(real)) continue;
        seen.add(real);
        if (entry.isSymlink ? fileType(real) === "directory" : entry.isDirectory) {
          visit(inside, real);
        } else if (/\.ya?ml$/.test(entry.name)) files.push(inside);
      }
    } catch (thrown) {
      if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return;
      const reason = withoutCall(thrown instanceof Error ? thrown.message : String(thrown));
      faults.push({ path, line: 1, column: 1, reason: `cannot be read: ${reason}` });
    }
  };
  visit(folder, realPath(folder));
  return { files, faults };
}

/** A reason without the call and the path that Deno appends. */
export function withoutCall(reason: string): string {
  return reason.replace(/: (?:stat|open|readdir) .*/, "");
}

/** The path itself if it does not exist: reading it reports that. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

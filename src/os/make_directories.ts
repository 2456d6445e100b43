import { errorFrom } from "../errors/from_unknown.ts";
import { filesBelow, linkOnTheWay } from "./files_below.ts";

/**
 * Makes directories below a root, with all their parents. None of them may be a link: a planted link must not
 * lead out of the root.
 *
 * @param root Absolute and trusted; made if missing.
 * @param directories Absolute, below the root or the root itself.
 * @throws {AimError} `no-space`, naming the link or the directory that cannot be made.
 */
export function makeDirectories(root: string, directories: Iterable<string>): void {
  const files = filesBelow(root);
  const made = new Set<string>([root]);
  try {
    Deno.mkdirSync(root, { recursive: true });
  } catch (error) {
    throw error instanceof Deno.errors.AlreadyExists
      ? linkOnTheWay(root)
      : errorFrom(error, `making ${root}`);
  }
  for (const directory of directories) {
    for (let at = root === "/" ? 0 : root.length; at < directory.length;) {
      const next = directory.indexOf("/", at + 1);
      at = next < 0 ? directory.length : next;
      const path = directory.slice(0, at);
      if (made.has(path)) continue;
      made.add(path);
      try {
        files.makeDirectory(path);
      } catch (error) {
        throw errorFrom(error, `making ${path}`);
      }
    }
  }
}

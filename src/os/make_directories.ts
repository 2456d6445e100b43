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
    let at = root === "/" ? "" : root;
    for (const name of directory.slice(at.length).split("/").slice(1)) {
      at = `${at}/${name}`;
      if (made.has(at)) continue;
      made.add(at);
      try {
        files.makeDirectory(at);
      } catch (error) {
        throw errorFrom(error, `making ${at}`);
      }
    }
  }
}

import { run } from "./contained.ts";

/** Increase this when the contents change. */
const VERSION = 2;
const PATH = `/var/tmp/aim-test-bare-root-${VERSION}`;
const BULK = [
  "var/cache/apt/archives",
  "var/lib/apt/lists",
  "usr/share/doc",
  "usr/share/locale",
  "usr/share/man",
];

/**
 * The root directory of a minimal Debian without Deno, Node or Python. `debootstrap` makes it once per
 * machine (half a minute, 80 MB) in `/var/tmp`; it never changes afterwards. Requires root.
 */
export async function bareRoot(): Promise<string> {
  try {
    await Deno.stat(PATH);
    return PATH;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const directory = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "aim-bare-" });
  try {
    await Deno.chmod(directory, 0o755);
    const root = `${directory}/root`;
    await run("debootstrap", "--variant=minbase", "bookworm", root);
    for (const path of BULK) await Deno.remove(`${root}/${path}`, { recursive: true });
    for (const path of ["job", "mnt/models"]) await Deno.mkdir(`${root}/${path}`, { recursive: true });
    await Deno.writeTextFile(`${root}/usr/local/bin/aim`, "", { mode: 0o755 });
    await Deno.rename(root, PATH);
    return PATH;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

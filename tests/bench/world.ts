import type { Content } from "../servers/content.ts";
import type { Contender } from "./measure.ts";
import type { Peer } from "./peers.ts";

/** Directories and programs that all rows share. */
export interface World {
  /** A new directory in memory (tmpfs), or on disk if no tmpfs can be mounted. */
  readonly fast: string;
  /** A new directory on disk. */
  readonly disk: string;
  /** The command that starts `aim`. */
  readonly aim: readonly string[];
  /** An earlier build to compare with. */
  readonly before: string | null;
  readonly peers: ReadonlyMap<Peer, string>;
  /** Whether to do less work, for a quick check. */
  readonly quick: boolean;
}

const root = (name: string) => new URL(`../../${name}`, import.meta.url).pathname;

/** The command that runs aim from source. */
export const SOURCE_FORM = [
  Deno.execPath(),
  "run",
  "-q",
  "-P",
  "--no-prompt",
  `--config=${root("deno.json")}`,
  root("main.ts"),
];
export const EXECUTABLE = root("dist/aim");

/** Makes the directories; `close` removes them. */
export async function makeWorld(
  options: Pick<World, "aim" | "before" | "peers" | "quick">,
): Promise<World & { close(): Promise<void> }> {
  const disk = await Deno.makeTempDir({ prefix: "aim-bench-" });
  const fast = await Deno.makeTempDir({ prefix: "aim-bench-fast-" });
  const mounted = Deno.uid() === 0 && await succeeds("mount", "-t", "tmpfs", "-o", "size=90%", "tmpfs", fast);
  if (!mounted) console.error("cannot mount a tmpfs: everything is on disk");
  const [program = "", ...args] = options.aim;
  await succeeds(program, ...args, "--version");
  if (options.before !== null) await succeeds(options.before, "--version");
  // Both are unpacked now. The memory of a process includes the mapped pages of its executable file: 15 MiB
  // more if the file was written a moment ago than if it was read from disk.
  if (!await succeeds("sh", "-c", "sync && echo 1 >/proc/sys/vm/drop_caches")) {
    console.error("cannot empty the page cache: aim's memory may be 15 MiB too high");
  }
  return {
    ...options,
    disk,
    fast,
    async close() {
      if (mounted) await succeeds("umount", "-l", fast);
      await Deno.remove(fast, { recursive: true });
      await Deno.remove(disk, { recursive: true });
    },
  };
}

async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output()).success;
}

/** Runs a shell script. An exception includes its standard error. */
export async function shell(script: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    env: { ...env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${script}: ${new TextDecoder().decode(stderr).slice(-2000)}`);
}

/** A contender that runs a shell script. */
export function script(name: string, text: string): Contender {
  return { name, args: ["sh", "-c", text] };
}

/** Writes a file of bytes that cannot be compressed or deduplicated. */
export async function writeNoise(path: string, bytes: number, seed = 1): Promise<void> {
  const key = seed.toString(16).padStart(32, "0");
  await shell(
    `head -c ${bytes} /dev/zero | openssl enc -aes-128-ctr -nosalt -K ${key} -iv ${
      "0".repeat(32)
    } >'${path}'`,
  );
}

/**
 * A file's size and digests for the hub's lists, computed by other programs. The digest that the hub does not
 * need is fake.
 */
export async function listedFile(path: string, sha256?: string): Promise<Content> {
  const { size } = await Deno.stat(path);
  const hex = sha256 ?? await digestBy("sha256", path);
  return {
    size,
    read: () => {
      throw new Error("only the listing is served");
    },
    digests: () => Promise.resolve({ sha256: hex, sha1: "", gitSha1: hex.slice(0, 40), md5: "" }),
  };
}

async function digestBy(algorithm: string, path: string): Promise<string> {
  const { stdout } = await new Deno.Command("openssl", { args: ["dgst", `-${algorithm}`, path] }).output();
  return new TextDecoder().decode(stdout).trim().split("= ").at(-1) ?? "";
}

/** Empties a directory and touches the memory for a run, which a VM's host may have reclaimed. */
export async function freshDirectory(path: string, bytes: number): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
  await Deno.mkdir(path, { recursive: true });
  if (bytes > 0) await shell(`head -c ${bytes} /dev/zero >'${path}/warm'; rm '${path}/warm'`);
}

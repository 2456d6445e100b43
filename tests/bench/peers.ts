/** The programs to compare with, and their Debian packages. */
const PACKAGES = {
  curl: "curl",
  openssl: "openssl",
  nginx: "nginx-light",
  aria2c: "aria2",
  aws: "awscli",
  rclone: "rclone",
  s3cmd: "s3cmd",
  radosgw: "radosgw ceph-mon ceph-osd ceph-common",
  "/usr/bin/time": "time",
  ip: "iproute2",
} as const;

export type Peer = keyof typeof PACKAGES | "python";

/** Imports that Python must support. */
export const PYTHON_IMPORTS = "import yaml, boto3, requests";
const PYTHON_PACKAGES = "python3 python3-yaml python3-boto3 python3-requests";

export interface Peers {
  /** The path of each installed program. */
  readonly found: ReadonlyMap<Peer, string>;
  /** Descriptions of the missing programs. */
  readonly missing: readonly string[];
}

/** Finds the peers; as root, installs those that are missing from Debian's packages. */
export async function findPeers(): Promise<Peers> {
  const wanted = new Map<Peer, string>([...Object.entries(PACKAGES) as [Peer, string][], [
    "python",
    PYTHON_PACKAGES,
  ]]);
  const absent = await absentOf(wanted.keys());
  if (absent.length > 0 && Deno.uid() === 0 && await pathOf("apt-get") !== null) {
    const packages = absent.flatMap((peer) => wanted.get(peer)?.split(" ") ?? []);
    console.error(`installing ${packages.join(" ")}`);
    await new Deno.Command("apt-get", {
      args: ["install", "-y", "-qq", "--no-install-recommends", ...packages],
      env: { DEBIAN_FRONTEND: "noninteractive" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
  }
  const found = new Map<Peer, string>();
  const missing: string[] = [];
  for (const [peer, packages] of wanted) {
    const path = await pathOf(peer);
    if (path !== null) found.set(peer, path);
    else missing.push(`${peer} (Debian: ${packages})`);
  }
  return { found, missing };
}

async function absentOf(peers: Iterable<Peer>): Promise<Peer[]> {
  const absent: Peer[] = [];
  for (const peer of peers) if (await pathOf(peer) === null) absent.push(peer);
  return absent;
}

/** Prefers Debian's program to others on PATH, because a wrapper would add time. */
async function pathOf(program: string): Promise<string | null> {
  if (program === "python") return await pythonWithImports();
  const places = program.startsWith("/")
    ? [program]
    : ["/usr/bin", "/usr/sbin"].map((dir) => `${dir}/${program}`);
  for (const path of [...places, await which(program)]) {
    if (path !== null && await Deno.stat(path).then(() => true, () => false)) return path;
  }
  return null;
}

async function pythonWithImports(): Promise<string | null> {
  const named = await output("python3", "-c", "import sys; print(sys.executable)");
  for (const path of ["/usr/bin/python3", named]) {
    if (path !== null && await output(path, "-c", PYTHON_IMPORTS) !== null) return path;
  }
  return null;
}

async function which(program: string): Promise<string | null> {
  return await output("sh", "-c", 'command -v "$0"', program);
}

/** A command's output; `null` if it fails. */
export async function output(program: string, ...args: string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stdin: "null", stderr: "null" })
      .output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}

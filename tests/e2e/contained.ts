/** A process in its own namespaces with its own root directory, as a container runtime starts it. */
export interface ContainedOptions {
  /** The root directory. */
  readonly root: string;
  readonly words: readonly string[];
  /** Its complete environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The host's directories by their path in the container. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** The host's file to mount over the root's `/usr/local/bin/aim`. @default {the root's} */
  readonly aim?: string | undefined;
  /** @default {"/"} */
  readonly cwd?: string | undefined;
  /** @default {0} */
  readonly uid?: number | undefined;
  /** Whether it has root's capabilities or none. @default {true for root, false for others} */
  readonly capabilities?: boolean | undefined;
  /** Whether the root is read-only, except `/tmp`. @default {false} */
  readonly readOnly?: boolean | undefined;
  /** Mount options of `/tmp`. @default {"mode=1777,nosuid,nodev"} */
  readonly tmp?: string | undefined;
  /** Whether it has only its own loopback as a network. @default {false} */
  readonly offline?: boolean | undefined;
}

/** A running container, whose process is PID 1 of its own PID namespace. */
export interface Contained {
  /** The output so far. */
  stdout(): Promise<string>;
  stderr(): Promise<string>;
  /** Waits until an output contains the text; rejects with all output if the process ends before. */
  printed(text: string): Promise<void>;
  /** The status of an HTTP request from inside its network. */
  get(url: string): Promise<number>;
  /** Sends a signal to its first process. */
  kill(signal: Deno.Signal): void;
  /** Its exit code. */
  readonly ended: Promise<number>;
}

/** Required programs, from Debian's `util-linux`, `mount`, `iproute2` and `curl`. */
export const CONTAINER_PROGRAMS = ["unshare", "nsenter", "setpriv", "chroot", "mount", "ip", "curl"];

/** Milliseconds after which a container is killed, so that no test hangs. */
const PATIENCE = 180_000;

/**
 * Starts a container. Requires root.
 *
 * @param files Path prefix of its files: `files`, `files.out`, and `files.err` if the outputs are `apart`.
 */
export async function startContained(
  files: string,
  options: ContainedOptions,
  { apart = false } = {},
): Promise<Contained> {
  const [out, err] = [`${files}.out`, apart ? `${files}.err` : `${files}.out`];
  await Deno.writeTextFile(out, "");
  await Deno.writeTextFile(err, "");
  await Deno.writeTextFile(files, startScript(options), { mode: 0o755 });
  const namespaces = ["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"];
  if (options.offline === true) namespaces.push("--net");
  const redirect = 'out=$0 err=$1; shift; exec "$@" >>"$out" 2>>"$err"';
  const child = new Deno.Command("sh", {
    args: ["-c", redirect, out, err, "unshare", ...namespaces, "sh", "-eu", files],
    clearEnv: true,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return new NamespaceContainer(child, out, err);
}

class NamespaceContainer implements Contained {
  readonly #child: Deno.ChildProcess;
  readonly #out: string;
  readonly #err: string;
  readonly ended: Promise<number>;
  #over = false;

  constructor(child: Deno.ChildProcess, out: string, err: string) {
    this.#child = child;
    this.#out = out;
    this.#err = err;
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    this.ended = child.status.then(({ code }) => {
      clearTimeout(timer);
      this.#over = true;
      return code;
    });
  }

  stdout(): Promise<string> {
    return Deno.readTextFile(this.#out);
  }

  stderr(): Promise<string> {
    return Deno.readTextFile(this.#err);
  }

  async printed(text: string): Promise<void> {
    while (true) {
      const over = this.#over;
      const all = await this.stdout() + await this.stderr();
      if (all.includes(text)) return;
      if (over) throw new Error(`it ended without printing ${JSON.stringify(text)}:\n${all}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async get(url: string): Promise<number> {
    const ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", url];
    return Number(await run("nsenter", "--target", await this.#firstProcess(), "--net", ...ask));
  }

  kill(signal: Deno.Signal): void {
    // To the child, as a container runtime does: unshare does not forward signals.
    const script = 'kill -s "$1" $(cat /proc/$0/task/$0/children)';
    new Deno.Command("sh", { args: ["-c", script, `${this.#child.pid}`, signal.slice(3)] }).outputSync();
  }

  async #firstProcess(): Promise<string> {
    return (await run("sh", "-c", "cat /proc/$0/task/$0/children", `${this.#child.pid}`)).trim();
  }
}

/** The sh script that sets up the container in its namespaces and starts the process. */
function startScript(options: ContainedOptions): string {
  const { root, words, env, aim, cwd = "/", uid = 0, readOnly = false, offline = false } = options;
  const volumes = Object.entries(options.volumes ?? {});
  const capable = options.capabilities ?? uid === 0;
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [
    "mount --make-rprivate /",
    `root=${quote(root)}`,
    'mount --bind "$root" "$root"',
    'mkdir -p "$root/proc" "$root/dev" "$root/tmp"',
    ...volumes.map(([inside]) => `mkdir -p "$root"${quote(inside)}`),
    'mount -t proc proc "$root/proc"',
    'mount -t tmpfs -o mode=755 tmpfs "$root/dev"',
    'for node in null zero full random urandom; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done',
    'ln -s /proc/self/fd "$root/dev/fd"',
    `mount -t tmpfs -o ${quote(options.tmp ?? "mode=1777,nosuid,nodev")} tmpfs "$root/tmp"`,
    ...volumes.map(([inside, outside]) => `mount --bind ${quote(outside)} "$root"${quote(inside)}`),
    ...(aim === undefined ? [] : [`mount --bind ${quote(aim)} "$root/usr/local/bin/aim"`]),
    ...(readOnly ? ['mount -o remount,bind,ro "$root"'] : []),
    ...(offline ? ["ip link set lo up"] : []),
    `exec chroot "$root" /usr/bin/setpriv --reuid ${uid} --regid ${uid} --clear-groups --no-new-privs \\`,
    ...(capable ? [] : ["  --bounding-set=-all --inh-caps=-all \\"]),
    `  /usr/bin/env -i --chdir=${quote(cwd)} \\`,
    `  ${[...pairs, ...words].map(quote).join(" ")}`,
    "",
  ].join("\n");
}

/** Runs a program and returns its standard output; an error includes both outputs. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${program} ${args.join(" ")}:\n${text(stdout)}${text(stderr)}`);
  return text(stdout);
}

/** The first of these programs that is not installed; `null` if all are. */
export async function missingProgram(programs: readonly string[]): Promise<string | null> {
  for (const program of programs) {
    const { success } = await new Deno.Command("sh", {
      args: ["-c", 'command -v "$0"', program],
      stdout: "null",
    }).output();
    if (!success) return program;
  }
  return null;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

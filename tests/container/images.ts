import { run } from "./stub_base.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What an image says of itself, as `buildah inspect` prints it (OCI image configuration). */
export interface ImageConfig {
  readonly architecture: string;
  readonly config: {
    readonly User?: string;
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly WorkingDir?: string;
    readonly Labels?: Readonly<Record<string, string>>;
    readonly StopSignal?: string;
    readonly ExposedPorts?: Readonly<Record<string, unknown>>;
    readonly Healthcheck?: unknown;
  };
  readonly history: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[];
}

/** How a container is run. */
export interface RunOptions {
  /** Instead of the image's entry point, as `command` of Kubernetes. */
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Directories of this machine by their place in the container. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** @default {the image's, else 0} */
  readonly uid?: number;
  /** A root that cannot be written, but for a fresh `/tmp`. @default {false} */
  readonly readOnly?: boolean;
  /** No network but the container's own loopback. @default {false} */
  readonly offline?: boolean;
}

/** A container that runs: the image's process as PID 1 of its own PID namespace, without capabilities. */
export interface Running {
  /** All that it has printed so far, both outputs. */
  log(): Promise<string>;
  /** Waits until it has printed this; rejects with its log when it ends before. */
  printed(text: string): Promise<void>;
  /** The status of an HTTP request from within its network. */
  get(url: string): Promise<number>;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  /** Its exit code. */
  readonly ended: Promise<number>;
}

/** Images in a store of their own, below a temporary directory. */
export class Images implements AsyncDisposable {
  readonly #directory: string;
  readonly #mounted = new Map<string, string>();
  #count = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(): Promise<Images> {
    return new Images(await Deno.makeTempDir({ dir: "/var/tmp", prefix: "aim-images-" }));
  }

  /** An image whose only layer is a tar archive. */
  async load(tag: string, archive: string): Promise<void> {
    const context = `${this.#directory}/load`;
    await Deno.mkdir(context);
    await Deno.link(archive, `${context}/root.tar`);
    await Deno.writeTextFile(`${context}/Dockerfile`, "FROM scratch\nADD root.tar /\n");
    await this.#buildah("bud", "--isolation", "chroot", "-t", `localhost/${tag}`, context);
    await Deno.remove(context, { recursive: true });
  }

  /** Builds one of `container/Dockerfile.*` as its comment says. */
  async build(tag: string, file: string, args: Readonly<Record<string, string>>): Promise<void> {
    const given = Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
    const dockerfile = `${ROOT}container/${file}`;
    await this.#buildah(
      ...["bud", "--isolation", "chroot", "--layers=false", "--pull-never", "-f", dockerfile],
      ...["-t", `localhost/${tag}`, ...given, ROOT],
    );
  }

  async inspect(tag: string): Promise<ImageConfig> {
    const text = await this.#buildah("inspect", "--type", "image", `localhost/${tag}`);
    return (JSON.parse(text) as { OCIv1: ImageConfig }).OCIv1;
  }

  /** The image's files, below a directory of this machine. */
  async files(tag: string): Promise<string> {
    const known = this.#mounted.get(tag);
    if (known !== undefined) return known;
    const container = (await this.#buildah("from", "--pull-never", `localhost/${tag}`)).trim();
    const path = (await this.#buildah("mount", container)).trim();
    this.#mounted.set(tag, path);
    return path;
  }

  async run(tag: string, options: RunOptions = {}): Promise<Running> {
    const { config } = await this.inspect(tag);
    const script = `${this.#directory}/run-${++this.#count}`;
    const log = `${script}.log`;
    await Deno.writeTextFile(log, "");
    await Deno.writeTextFile(script, startScript(await this.files(tag), config, options), { mode: 0o755 });
    const namespaces = ["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"];
    if (options.offline === true) namespaces.push("--net");
    const child = new Deno.Command("sh", {
      args: ["-c", 'log=$0; exec "$@" >"$log" 2>&1', log, "unshare", ...namespaces, "sh", "-eu", script],
      clearEnv: true,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return new Container(child, log);
  }

  /** Runs to the end. */
  async runToEnd(tag: string, options: RunOptions = {}): Promise<{ code: number; log: string }> {
    const running = await this.run(tag, options);
    const code = await running.ended;
    return { code, log: await running.log() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }

  #buildah(...args: string[]): Promise<string> {
    const at = ["--root", `${this.#directory}/store`, "--runroot", `${this.#directory}/run`];
    return run("buildah", ...at, "--storage-driver", "vfs", ...args);
  }
}

class Container implements Running {
  readonly #child: Deno.ChildProcess;
  readonly #log: string;
  readonly ended: Promise<number>;
  #over = false;

  constructor(child: Deno.ChildProcess, log: string) {
    this.#child = child;
    this.#log = log;
    this.ended = child.status.then(({ code }) => {
      this.#over = true;
      return code;
    });
  }

  log(): Promise<string> {
    return Deno.readTextFile(this.#log);
  }

  async printed(text: string): Promise<void> {
    while (true) {
      const over = this.#over;
      if ((await this.log()).includes(text)) return;
      if (over) throw new Error(`it ended without printing ${JSON.stringify(text)}:\n${await this.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async get(url: string): Promise<number> {
    const inside = await this.#firstProcess();
    const status = await run(
      "nsenter",
      ...[
        "--target",
        inside,
        "--net",
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--noproxy",
        "*",
        url,
      ],
    );
    return Number(status);
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    // To the container's first process, as a container runtime does; unshare itself hands nothing on.
    const script = 'kill -s "$1" $(cat /proc/$0/task/$0/children)';
    new Deno.Command("sh", { args: ["-c", script, `${this.#child.pid}`, signal.slice(3)] }).outputSync();
  }

  async #firstProcess(): Promise<string> {
    return (await run("sh", "-c", "cat /proc/$0/task/$0/children", `${this.#child.pid}`)).trim();
  }
}

/** What a container runtime does between its namespaces and the image's process, in sh. */
function startScript(root: string, config: ImageConfig["config"], options: RunOptions): string {
  const uid = options.uid ?? Number((config.User ?? "").split(":")[0] || "0");
  const env = { ...pairs(config.Env ?? []), ...options.env };
  const entry = options.command ?? config.Entrypoint ?? [];
  const args = options.args ?? (options.command === undefined ? config.Cmd ?? [] : []);
  const volumes = Object.entries(options.volumes ?? {});
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
    'mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"',
    ...volumes.map(([inside, outside]) => `mount --bind ${quote(outside)} "$root"${quote(inside)}`),
    ...(options.readOnly === true ? ['mount -o remount,bind,ro "$root"'] : []),
    ...(options.offline === true ? ["ip link set lo up"] : []),
    // Root keeps what a container's root has; others have nothing to gain.
    `exec chroot "$root" /usr/bin/setpriv --reuid ${uid} --regid ${uid} --clear-groups --no-new-privs \\`,
    ...(uid === 0 ? [] : ["  --bounding-set=-all --inh-caps=-all \\"]),
    `  /usr/bin/env -i --chdir=${quote(config.WorkingDir || "/")} \\`,
    `  ${
      [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...entry, ...args].map(quote).join(
        " ",
      )
    }`,
    "",
  ].join("\n");
}

function pairs(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

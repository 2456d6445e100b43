import { type Contained, run, startContained } from "../e2e/contained.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** An image's OCI configuration, as `buildah inspect` prints it. */
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
  /** Replaces the image's entry point, like `command` in Kubernetes. */
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Directories of the host by their path in the container. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** @default {the image's, else 0} */
  readonly uid?: number;
  /** Makes the root file system read-only, with an empty `/tmp`. @default {false} */
  readonly readOnly?: boolean;
  /** Mount options of `/tmp`, such as `ro`. @default {"mode=1777,nosuid,nodev"} */
  readonly tmp?: string;
  /** No network except the container's loopback. @default {false} */
  readonly offline?: boolean;
}

/** Images in a separate store below a temporary directory. */
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

  /** Creates an image whose only layer is a tar archive. */
  async load(tag: string, archive: string): Promise<void> {
    const context = `${this.#directory}/load`;
    await Deno.mkdir(context);
    await Deno.link(archive, `${context}/root.tar`);
    await Deno.writeTextFile(`${context}/Dockerfile`, "FROM scratch\nADD root.tar /\n");
    await this.#buildah("bud", "-t", `localhost/${tag}`, context);
    await Deno.remove(context, { recursive: true });
  }

  /** Builds one of `container/Dockerfile.*`. */
  async build(tag: string, file: string, args: Readonly<Record<string, string>>): Promise<void> {
    const given = Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
    await this.#buildah(
      "bud",
      ...BUILD,
      "-f",
      `${ROOT}container/${file}`,
      "-t",
      `localhost/${tag}`,
      ...given,
      ROOT,
    );
  }

  /** Runs `deno task image` with this store and returns its output. */
  async task(...words: string[]): Promise<string> {
    const task = ["run", "-q", "-P", "container/image.ts", "--tool", "buildah", ...words, "--", ...BUILD];
    return await run("env", `--chdir=${ROOT}`, ...this.#store(), Deno.execPath(), ...task);
  }

  async inspect(tag: string): Promise<ImageConfig> {
    const text = await this.#buildah("inspect", "--type", "image", `localhost/${tag}`);
    return (JSON.parse(text) as { OCIv1: ImageConfig }).OCIv1;
  }

  /** The directory where the image's files are mounted. */
  async files(tag: string): Promise<string> {
    const known = this.#mounted.get(tag);
    if (known !== undefined) return known;
    const container = (await this.#buildah("from", "--pull-never", `localhost/${tag}`)).trim();
    const path = (await this.#buildah("mount", container)).trim();
    this.#mounted.set(tag, path);
    return path;
  }

  /** Starts the image's process as PID 1; without capabilities if it is not root. */
  async run(tag: string, options: RunOptions = {}): Promise<Contained> {
    const { config } = await this.inspect(tag);
    const args = options.args ?? (options.command === undefined ? config.Cmd ?? [] : []);
    return await startContained(`${this.#directory}/run-${++this.#count}`, {
      root: await this.files(tag),
      words: [...options.command ?? config.Entrypoint ?? [], ...args],
      env: { ...pairs(config.Env ?? []), ...options.env },
      volumes: options.volumes ?? {},
      cwd: config.WorkingDir || "/",
      uid: options.uid ?? Number((config.User ?? "").split(":")[0] || "0"),
      readOnly: options.readOnly,
      tmp: options.tmp,
      offline: options.offline,
    });
  }

  /** Runs the image until its process exits. */
  async runToEnd(tag: string, options: RunOptions = {}): Promise<{ code: number; log: string }> {
    const running = await this.run(tag, options);
    const code = await running.ended;
    return { code, log: await running.stdout() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }

  async #buildah(...args: string[]): Promise<string> {
    return await run("env", ...this.#store(), "buildah", ...args);
  }

  /** Environment variables that select this store. */
  #store(): string[] {
    const file = `${this.#directory}/storage.conf`;
    Deno.writeTextFileSync(
      file,
      `[storage]\ndriver = "vfs"\ngraphroot = "${this.#directory}/store"\nrunroot = "${this.#directory}/run"\n`,
    );
    return [`CONTAINERS_STORAGE_CONF=${file}`, "STORAGE_DRIVER=vfs", "BUILDAH_ISOLATION=chroot"];
  }
}

/** Keep no layers, pull nothing. */
const BUILD = ["--layers=false", "--pull-never"];

function pairs(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
}

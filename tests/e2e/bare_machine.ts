import { safetensorsBytes } from "../servers/content.ts";
import { type HubServer, startHub } from "../servers/hub_server.ts";
import { type S3Server, startS3 } from "../servers/s3_server.ts";
import type { Ran } from "../cli/aim.ts";
import { bareRoot } from "./bare_root.ts";
import { type Contained, type ContainedOptions, startContained } from "./contained.ts";
import { executable } from "./executable.ts";

export const MODEL = "meta-llama/Llama-3.1-8B-Instruct";
export const WEIGHTS = safetensorsBytes(3_000_000);
const FILES = { "config.json": '{"model_type":"llama"}\n', "model.safetensors": WEIGHTS };
export const BYTES = 3_000_023;

/** Options of a run that a test can change. */
type Options = Partial<Omit<ContainedOptions, "root" | "words">>;

/**
 * A minimal Debian with `aim`, and a hub and an S3 endpoint on this machine's loopback. Every run is a new
 * container with an empty `/tmp`; `/job` is kept between runs.
 */
export interface BareMachine extends AsyncDisposable {
  readonly hub: HubServer;
  readonly s3: S3Server;
  /** The host's path of `/job`, which is world-writable and has the engine in `bin`. */
  readonly work: string;
  /** Environment of every run. */
  readonly env: Readonly<Record<string, string>>;
  /** Starts a program, by default as user 1000 without a home or capabilities and with a read-only root. */
  start(words: readonly string[], options?: Options): Promise<Contained>;
  /** Runs a program to its end. */
  run(words: readonly string[], options?: Options): Promise<Ran>;
}

/** A stub of vLLM that prints how it was started and, if `/job/stay` exists, the signals that it receives. */
const ENGINE = `#!/bin/sh
echo "engine pid $$"
printf 'arg %s\\n' "$@"
env | sed 's/^/env /'
while read -r name value; do
  case $name in Uid: | Sig*: | CapEff: | CapBnd: | NoNewPrivs:) echo "status $name" $value ;; esac
done </proc/$$/status
# 10 is dash's descriptor of the script.
find /proc/$$/fd -type l -printf 'fd %f %l\\n'
[ -e /job/stay ] || exit 0
for name in TERM INT USR1 HUP; do trap "echo signal $name" $name; done
trap 'echo signal TERM; exit 0' TERM
echo "engine stays"
while :; do sleep 0.05; done
`;

export async function startBareMachine(): Promise<BareMachine> {
  const [aim, root] = [await executable(), await bareRoot()];
  const directory = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "aim-e2e-" });
  const work = `${directory}/job`;
  await Deno.mkdir(`${work}/bin`, { recursive: true });
  await Deno.writeTextFile(`${work}/bin/python3`, ENGINE, { mode: 0o755 });
  await Deno.chmod(work, 0o777);
  const hub = await startHub({ repos: [MODEL, "org/model"].map((id) => ({ id, files: FILES })) });
  const objects = Object.fromEntries(
    Object.entries(FILES).map(([name, bytes]) => [`models/org/llama/${name}`, bytes]),
  );
  const s3 = await startS3({ buckets: { bucket: objects } });
  const env = {
    PATH: "/job/bin:/usr/local/bin:/usr/bin:/bin",
    HF_ENDPOINT: hub.url,
    ...s3.env,
    AIM_CACHE_PATH: "/job/cache",
    AIM_GPU_MODEL: "MI300X",
    AIM_GPU_COUNT: "1",
    // Profiles of this precision load the model itself, not a quantised one.
    AIM_PRECISION: "fp16",
  };
  let count = 0;
  const start = (words: readonly string[], options: Options = {}) =>
    startContained(`${directory}/run-${++count}`, {
      uid: 1000,
      readOnly: true,
      cwd: "/job",
      aim,
      ...options,
      root,
      words,
      env: { ...env, ...options.env },
      volumes: { "/job": work, ...options.volumes },
    }, { apart: true });
  return {
    hub,
    s3,
    work,
    env,
    start,
    async run(words, options) {
      const running = await start(words, options);
      const code = await running.ended;
      return { code, stdout: await running.stdout(), stderr: await running.stderr() };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([hub.close(), s3.close()]);
      await Deno.remove(directory, { recursive: true });
    },
  };
}

import { DENO_RUN, MAIN, plainEnvironment } from "../cli/aim.ts";
import { freePort } from "../servers/free_port.ts";

/** A vLLM process that `aim serve` became. */
export interface Serving extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
  /** Milliseconds from aim's start until the engine answered. */
  readonly ready: number;
  /** The log of aim and engine so far. */
  log(): Promise<string>;
  /** Sends SIGTERM to aim's PID; resolves when the process ends. */
  stop(): Promise<Deno.CommandStatus>;
}

/** Timeout in milliseconds: vLLM takes half a minute to start on an idle machine with two cores. */
const PATIENCE = 300_000;

/**
 * Runs `aim serve` with a real vLLM and waits until it answers.
 *
 * @param python The Python environment with vLLM.
 * @param prefix Words before aim's command, such as `unshare`.
 */
export async function serving(
  python: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  prefix: readonly string[] = [],
): Promise<Serving> {
  const port = freePort();
  const plain = plainEnvironment();
  const logFile = await Deno.makeTempFile({ prefix: "aim-vllm-" });
  const words = [...prefix, Deno.execPath(), ...DENO_RUN, MAIN, "serve", ...args];
  const started = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$@" >"$0" 2>&1', logFile, ...words],
    clearEnv: true,
    env: {
      ...plain,
      PATH: `${python}/bin:${plain.PATH ?? "/usr/bin:/bin"}`,
      AIM_ACCELERATOR_TYPE: "cpu",
      AIM_PORT: `${port}`,
      ...env,
    },
    stdin: "null",
  }).spawn();
  let ended: Deno.CommandStatus | null = null;
  void child.status.then((status) => ended = status);
  const log = () => Deno.readTextFile(logFile);
  const url = `http://127.0.0.1:${port}`;
  while (!await answers(`${url}/health`)) {
    if (ended !== null || performance.now() - started > PATIENCE) {
      if (ended === null) child.kill("SIGKILL");
      throw new Error(`vLLM does not serve; the end of its log:\n${(await log()).slice(-4000)}`);
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  const ready = performance.now() - started;
  const stop = async () => {
    if (ended === null) child.kill("SIGTERM");
    return await child.status;
  };
  return {
    pid: child.pid,
    url,
    ready,
    log,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await Deno.remove(logFile);
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

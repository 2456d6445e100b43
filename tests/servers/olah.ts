import { pythonEnv } from "../interop/python_env.ts";
import { freePort } from "./free_port.ts";
import type { HubServer } from "./hub_server.ts";
import { listening } from "./listening.ts";

/** A running olah, a caching mirror of the hub. */
export interface Olah extends AsyncDisposable {
  /** For `HF_ENDPOINT`. */
  readonly url: string;
}

/** Starts olah in front of a hub, on 127.0.0.1, or returns why it cannot be installed. */
export async function startOlah(hub: HubServer): Promise<Olah | { readonly skip: string }> {
  const env = await pythonEnv("olah", ["olah==0.5.4"]);
  if (typeof env !== "string") return env;
  const directory = await Deno.makeTempDir({ prefix: "aim-olah-" });
  const port = freePort();
  const own = `127.0.0.1:${port}`;
  const child = new Deno.Command(`${env}/bin/olah-cli`, {
    args: [
      ...[
        "--host",
        "127.0.0.1",
        "--port",
        `${port}`,
        "--hf-scheme",
        "http",
        "--hf-netloc",
        new URL(hub.url).host,
      ],
      ...["--hf-lfs-netloc", new URL(hub.cdnUrl).host, "--mirror-scheme", "http", "--mirror-netloc", own],
      ...["--mirror-lfs-netloc", own, "--repos-path", `${directory}/repos`, "--log-path", `${directory}/log`],
    ],
    cwd: directory,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const close = async () => {
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(directory, { recursive: true });
  };
  const url = `http://${own}`;
  try {
    await listening(`${url}/openapi.json`, child.status);
  } catch (error) {
    await close();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: close };
}

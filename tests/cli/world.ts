import { safetensorsBytes } from "../servers/content.ts";
import { type HubServer, startHub } from "../servers/hub_server.ts";
import { type S3Server, startS3 } from "../servers/s3_server.ts";
import { DENO_RUN, MAIN, plainEnvironment } from "./aim.ts";

/** A hub and an S3 endpoint with small models, a stub engine that prints its command line, an empty cache. */
export interface World extends AsyncDisposable {
  readonly hub: HubServer;
  readonly s3: S3Server;
  /** A temporary directory with `cache`, which is `AIM_CACHE_PATH`, and `bin` with aim and the engine. */
  readonly directory: string;
  /** The environment for aim. */
  readonly env: Readonly<Record<string, string>>;
}

const WEIGHTS = safetensorsBytes(70_000);
const MODEL = { "config.json": '{"model_type":"llama"}\n', "model.safetensors": WEIGHTS };

/** Public models of the hub. */
export const PUBLIC = [
  "meta-llama/Llama-3.1-8B-Instruct",
  "amd/Llama-3.1-8B-Instruct-FP8-KV",
  "mistralai/Mistral-7B-v0.1",
  "org/model",
] as const;
export const GATED = "org/gated";

const PREFIXES = {
  models: ["org/llama-7b", "meta-llama/Llama-3.1-8B-Instruct"],
  bucket: ["deep/path/model", "models/meta-llama/llama-3.1-8b", "models/org/m", "path"],
};

/** @param token A token with access to the gated model; it is not in the environment. */
export async function startWorld(token = "hf_allowedtoken0001"): Promise<World> {
  const directory = await Deno.makeTempDir();
  const hub = await startHub({
    repos: [
      ...PUBLIC.map((id) => ({ id, files: MODEL, refs: { "v1.0": MODEL } })),
      { id: GATED, files: MODEL, gated: "manual" as const, allowed: [token] },
    ],
    tokens: [token],
  });
  const objects = (prefixes: readonly string[]) =>
    Object.fromEntries(
      prefixes.flatMap((prefix) =>
        Object.entries(MODEL).map(([name, bytes]) => [`${prefix}/${name}`, bytes])
      ),
    );
  const s3 = await startS3({
    buckets: { models: objects(PREFIXES.models), bucket: objects(PREFIXES.bucket), denied: {} },
    deniedBuckets: ["denied"],
  });
  await Deno.mkdir(`${directory}/bin`);
  const start = [Deno.execPath(), ...DENO_RUN, MAIN].map((word) => `'${word}'`).join(" ");
  await program(`${directory}/bin/aim`, `exec ${start} "$@"`);
  for (const name of ["python", "python3"]) await program(`${directory}/bin/${name}`, 'echo "engine: $*"');
  const plain = plainEnvironment();
  return {
    hub,
    s3,
    directory,
    env: {
      ...plain,
      ...s3.env,
      PATH: `${directory}/bin:${plain.PATH ?? "/usr/bin:/bin"}`,
      HF_ENDPOINT: hub.url,
      AIM_CACHE_PATH: `${directory}/cache`,
      AIM_SYSFS_ROOT: `${directory}/none`,
      AIM_AMD_SMI: `${directory}/none/amd-smi`,
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([hub.close(), s3.close()]);
      await Deno.remove(directory, { recursive: true });
    },
  };
}

async function program(path: string, line: string): Promise<void> {
  await Deno.writeTextFile(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
}

import type { CachePaths, LayoutName } from "../../src/cache/types.ts";
import { HubPlacement } from "../../src/cache/hub_placement.ts";
import { localPlacement } from "../../src/cache/local_placement.ts";
import { downloadModel } from "../../src/download/download_model.ts";
import type { DownloadReport } from "../../src/download/download_report.ts";
import { localNameOf } from "../../src/sources/local_name.ts";
import { openSource } from "../../src/sources/open_source.ts";
import { parseModelRef } from "../../src/sources/model_ref.ts";
import { type FileContents, type HubServer, startHub } from "../servers/hub_server.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { type S3Server, startS3 } from "../servers/s3_server.ts";

/** Two weight shards, folders, names with a space and with non-ASCII letters, two files of equal content. */
export const MODEL: Record<string, Uint8Array | string> = {
  "config.json": '{"model_type":"llama"}\n',
  "copy of config.json": '{"model_type":"llama"}\n',
  "model-00001-of-00002.safetensors": safetensorsBytes(90_000, 1),
  "model-00002-of-00002.safetensors": safetensorsBytes(70_000, 2),
  "model.safetensors.index.json": JSON.stringify({
    weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
  }),
  "nested/deeper/größe.json": '{"é":1}\n',
  "tokenizer.json": "{}\n",
};

export const HUB_MODEL = "hf://org/model";
export const S3_MODEL = "s3://models/org/model";
export const LAYOUTS = ["local", "hub"] as const;

/** A hub and an S3 endpoint with one model, and a temporary directory. */
export interface Caches extends AsyncDisposable {
  readonly hub: HubServer;
  readonly s3: S3Server;
  /** `AIM_CACHE_PATH`. */
  readonly cache: string;
  readonly paths: CachePaths;
  /** Environment for an aim process. */
  readonly env: Record<string, string>;
  download(options: Download): Promise<DownloadReport>;
  /** Bytes of files that both servers have sent so far. */
  bytesSent(): number;
}

export interface Download {
  readonly layout: LayoutName;
  /** @default {"hf://org/model"} */
  readonly uri?: string;
  /** @default {the caches'} */
  readonly cache?: string;
  readonly revision?: string;
  readonly include?: readonly string[];
  readonly force?: boolean;
  /** In addition to the S3 server's variables. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function startCaches(
  options: { files?: FileContents; refs?: Record<string, FileContents> } = {},
): Promise<Caches> {
  const files = options.files ?? MODEL;
  const directory = await Deno.makeTempDir();
  const hub = await startHub({ repos: [{ id: "org/model", files, refs: options.refs ?? {} }] });
  const s3 = await startS3({
    buckets: {
      models: Object.fromEntries(Object.entries(files).map(([path, bytes]) => [`org/model/${path}`, bytes])),
    },
  });
  const cache = `${directory}/cache`;
  const pathsOf = (cachePath: string) => ({ cachePath, hfHome: cachePath, hfHubCache: `${cachePath}/hub` });
  return {
    hub,
    s3,
    cache,
    paths: pathsOf(cache),
    env: { ...s3.env, HF_ENDPOINT: hub.url, AIM_CACHE_PATH: cache },
    bytesSent: () => hub.bytesSent() + s3.bytesSent(),
    async download(
      { layout, uri = HUB_MODEL, cache: at = cache, revision, include = [], force = false, env = {} },
    ) {
      const ref = parseModelRef(uri);
      const paths = pathsOf(at);
      const name = localNameOf(ref);
      const placement = layout === "local"
        ? localPlacement({ paths, name })
        : new HubPlacement({ paths, name, ...(revision === undefined ? {} : { revision }) });
      const source = await openSource(ref, {
        hfEndpoint: hub.url,
        hfToken: () => Promise.resolve(null),
        protocols: ["HTTP"],
        offline: false,
        env: { ...s3.env, ...env },
        connections: 4,
      });
      try {
        return await downloadModel(source, placement, {
          ...{ revision, include, exclude: [], force, signal: new AbortController().signal },
          transfer: { jobs: 4, partSize: 1 << 20, maxBandwidth: null, stallTimeout: 30_000, verify: true },
        });
      } finally {
        source[Symbol.dispose]();
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([hub.close(), s3.close()]);
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** The model's files and their bytes, without the bookkeeping of aim and Python. */
export async function modelFiles(directory: string): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const walk = async (prefix: string): Promise<void> => {
    for await (const { name } of Deno.readDir(`${directory}/${prefix}`)) {
      const path = `${prefix}${name}`;
      if ([".aim", ".cache", "lost+found"].includes(path)) continue;
      if ((await Deno.stat(`${directory}/${path}`)).isDirectory) await walk(`${path}/`);
      else found.set(path, await Deno.readFile(`${directory}/${path}`));
    }
  };
  await walk("");
  return new Map([...found].sort(([a], [b]) => a < b ? -1 : 1));
}

/** Files as sorted bytes, to compare with {@linkcode modelFiles}. */
export function asBytes(files: Readonly<Record<string, Uint8Array | string>>): Map<string, Uint8Array> {
  const encode = (given: Uint8Array | string) =>
    typeof given === "string" ? new TextEncoder().encode(given) : new Uint8Array(given);
  return new Map(
    Object.entries(files).sort(([a], [b]) => a < b ? -1 : 1).map(([path, g]) => [path, encode(g)]),
  );
}

/** Runs a program and returns its standard output. */
export async function run(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Whether a program is installed. */
export function installed(name: string): boolean {
  const path = Deno.env.get("PATH") ?? "";
  return path.split(":").concat("/usr/sbin", "/sbin").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}

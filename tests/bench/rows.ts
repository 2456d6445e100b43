import { type Ceph, startCeph } from "../servers/ceph.ts";
import { coldStart } from "./cold_start.ts";
import { type Claim, compare } from "./comparison.ts";
import { type Contender, measure, type MeasureOptions, type Run } from "./measure.ts";
import { quickEngine } from "./quick_engine.ts";
import {
  BEFORE,
  certificates,
  fetched,
  fetchedBefore,
  into,
  noWorse,
  QUIET,
  type Result,
  type Row,
  short,
  weighed,
} from "./row_parts.ts";
import { pythonEnv } from "../interop/python_env.ts";
import { HF_DOWNLOAD, hfDownload, HUB_CLIENT, SHARD_ROWS } from "./shards.ts";
import { startFarHub } from "./far_hub.ts";
import { PYTHON_IMPORTS } from "./peers.ts";
import { startStaticHub, type StaticHub, type StaticModel } from "./static_hub.ts";
import { freshDirectory, listedFile, script, shell, type World, writeNoise } from "./world.ts";

const MIB = 2 ** 20, GIB = 2 ** 30;

export const ROWS: readonly Row[] = [
  ...SHARD_ROWS,
  {
    name: "file",
    says: "one file of 1 GiB from the hub, to memory",
    run: (world, o) => oneFile(world, o, {}),
  },
  { name: "file-disk", says: "the same, to disk", run: (world, o) => oneFile(world, o, { disk: true }) },
  { name: "file-tls", says: "the same over TLS", run: (world, o) => oneFile(world, o, { tls: true }) },
  { name: "many", says: "5,000 files of 16 KiB from the hub, and a second run", run: manyFiles },
  { name: "ceph", says: "16 files of 256 MiB from Ceph", run: cephFiles },
  { name: "again", says: "200 files that are already downloaded", run: secondRun },
  { name: "ceph-many", says: "5,000 files of 16 KiB from Ceph", run: cephManyFiles },
  { name: "delay", says: "512 MiB over 100 ms round trip", run: delayed },
  { name: "loss", says: "32 MiB over 20 ms and 100 ms round trip, 1 % lost", run: lossy },
  { name: "start", says: "start-up", run: startUp },
  {
    name: "cold",
    says: "start-up in new containers: the image's program and the single file",
    run: coldStart,
  },
  { name: "verify", says: "aim cache verify of 4 GiB", run: verification },
  { name: "memory", says: "peak memory of 2 GiB and of 20 GiB (sparse), to disk", run: memory },
];

async function oneFile(
  world: World,
  options: MeasureOptions,
  how: { disk?: boolean; tls?: boolean },
): Promise<Result> {
  const bytes = world.quick ? 256 * MIB : GIB;
  const source = `${world.fast}/source`;
  const to = `${how.disk === true ? world.disk : world.fast}/to`;
  await freshDirectory(source, 0);
  await writeNoise(`${source}/model.safetensors`, bytes);
  const tls = how.tls === true ? await certificates(world) : undefined;
  await using hub = await served(
    source,
    { "model.safetensors": await listedFile(`${source}/model.safetensors`) },
    true,
    tls,
  );
  const url = hub.fileUrl("org/model", "model.safetensors");
  const file = `${source}/model.safetensors`;
  const trust: Record<string, string> = tls === undefined ? {} : { SSL_CERT_FILE: tls.ca };
  const env = { HF_ENDPOINT: hub.url, ...trust };
  const curl = tls === undefined ? "curl -s" : `curl -s --cacert '${tls.ca}'`;
  const aria = `aria2c -q -x16 -s16 --file-allocation=none -d '${to}' -o model.safetensors ${
    tls === undefined ? "" : `--ca-certificate='${tls.ca}'`
  }`;
  const plain = how.disk !== true && tls === undefined;
  const contenders = [
    fetched(world, "aim", "hf://org/model", to, env),
    ...fetchedBefore(world, "hf://org/model", to, env),
    script("curl", `${curl} -L -o '${to}/model.safetensors' '${url}'`),
    ...world.peers.has("aria2c") ? [script("aria2c", `${aria} '${url}'`)] : [],
    ...plain
      ? [
        script("floor", `cp '${file}' '${to}/model.safetensors' & openssl dgst -sha256 '${file}'; wait`),
        script(
          "curl, then openssl",
          `${curl} -L -o '${to}/model.safetensors' '${url}' && openssl dgst -sha256 '${to}/model.safetensors'`,
        ),
        fetched(world, "aim, not verifying", "hf://org/model", to, env, "--no-verify"),
        {
          name: "@huggingface/hub",
          args: [
            Deno.execPath(),
            "run",
            "-q",
            "-P",
            `--config=${CONFIG}`,
            SNAPSHOT,
            hub.url,
            "org/model",
            to,
          ],
        },
      ]
      : [],
  ].map((contender) => into(to, bytes, contender));
  const place = how.disk === true ? ", to disk" : tls !== undefined ? ", over TLS" : "";
  const claim = (against: string[], limit: number | null, figure: Claim["figure"] = "wall"): Claim => ({
    work: `${short(bytes)} from the hub${place}`,
    subject: "aim",
    against,
    figure,
    limit,
    why: WHY_HASHING,
  });
  try {
    return await weighed(contenders, [
      claim(["curl"], plain ? 1 : null),
      claim(["aria2c"], plain ? 0.8 : null),
      noWorse(claim([], null).work, 1.1, WHY_HASHING),
      ...plain
        ? [
          claim(["floor"], 1.5),
          claim(["@huggingface/hub"], null),
          claim(["curl, then openssl"], null),
          claim(["curl, then openssl"], 1.2, "cpu"),
        ]
        : [],
    ], options);
  } finally {
    await freshDirectory(to, 0);
    await freshDirectory(source, 0);
  }
}

const WHY_HASHING = "hashing in order needs a second core, which the server shares";

const CONFIG = new URL("../../deno.json", import.meta.url).pathname;
const SNAPSHOT = new URL("snapshot.ts", import.meta.url).pathname;

/** Serves a directory as `org/model`. */
async function served(
  directory: string,
  files: StaticModel["files"],
  redirect: boolean,
  tls?: { cert: string; key: string },
): Promise<StaticHub> {
  return await startStaticHub([{ id: "org/model", directory, files, redirect }], { tls });
}

/** Writes small files and returns their names. */
async function writeMany(directory: string, count: number, bytes: number): Promise<string[]> {
  await freshDirectory(directory, 0);
  const names = Array.from({ length: count }, (_, n) => `part-${String(n).padStart(5, "0")}.bin`);
  const content = new Uint8Array(bytes);
  for (const name of names) {
    crypto.getRandomValues(content);
    await Deno.writeFile(`${directory}/${name}`, content);
  }
  return names;
}

async function manyFiles(world: World, options: MeasureOptions): Promise<Result> {
  const count = world.quick ? 500 : 5000;
  const source = `${world.fast}/source`, to = `${world.fast}/to`;
  const names = await writeMany(source, count, 16 * 1024);
  const files = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await gitFile(`${source}/${name}`)] as const),
    ),
  );
  await using hub = await served(source, files, false);
  const urls = names.map((name) => [name, hub.fileUrl("org/model", name)] as const);
  await Deno.writeTextFile(
    `${world.disk}/curl.txt`,
    urls.map(([name, url]) => `url="${url}"\noutput="${to}/${name}"\n`).join(""),
  );
  await Deno.writeTextFile(
    `${world.disk}/aria.txt`,
    urls.map(([name, url]) => `${url}\n out=${name}\n`).join(""),
  );
  const env = { HF_ENDPOINT: hub.url };
  const bytes = count * 16 * 1024;
  const again = `${world.fast}/again`;
  await freshDirectory(again, 0);
  const second = fetched(world, "aim, second run", "hf://org/model", again, env);
  const python = await pythonEnv("hub", HUB_CLIENT);
  const contenders = [
    into(to, bytes, fetched(world, "aim", "hf://org/model", to, env)),
    ...fetchedBefore(world, "hf://org/model", to, env).map((one) => into(to, bytes, one)),
    ...typeof python === "string"
      ? [into(to, bytes, { ...hfDownload(world, python, to, env), once: !world.quick })]
      : [],
    into(to, bytes, script("curl --parallel", `curl -s -Z --parallel-max 16 -K '${world.disk}/curl.txt'`)),
    ...world.peers.has("aria2c")
      ? [
        into(
          to,
          bytes,
          script("aria2c", `aria2c -q -j16 --file-allocation=none -i '${world.disk}/aria.txt' -d '${to}'`),
        ),
      ]
      : [],
    into(
      to,
      bytes,
      script(
        "floor",
        `cp -r '${source}/.' '${to}' & find '${source}' -type f -print0 | xargs -0 openssl dgst -sha1; wait`,
      ),
    ),
    second,
  ];
  const work = `${count.toLocaleString("en")} × 16 KiB from the hub`;
  return await weighed(contenders, [
    {
      work,
      subject: "aim",
      against: ["curl --parallel", "aria2c"],
      figure: "wall",
      limit: null,
    },
    { work, subject: "aim", against: [HF_DOWNLOAD], figure: "wall", limit: 1 },
    noWorse(work, 2),
    { work, subject: "aim", against: ["floor"], figure: "wall", limit: null },
    { work: `${work}, nothing to do`, subject: "aim, second run", against: [], figure: "wall", limit: 0.5 },
  ], options);
}

async function secondRun(world: World, options: MeasureOptions): Promise<Result> {
  const source = `${world.fast}/source`, to = `${world.fast}/again`;
  const names = await writeMany(source, 200, 16 * 1024);
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await gitFile(`${source}/${name}`)] as const)),
  );
  await using hub = await served(source, files, false);
  await freshDirectory(to, 0);
  const again = fetched(world, "aim, second run", "hf://org/model", to, { HF_ENDPOINT: hub.url });
  return await weighed([again], [{
    work: "200 × 16 KiB from the hub, nothing to do",
    subject: again.name,
    against: [],
    figure: "wall",
    limit: 0.3,
  }], options);
}

/** A small file that is stored in git, with git's digest. */
async function gitFile(path: string): Promise<StaticModel["files"][string]> {
  const bytes = await Deno.readFile(path);
  const head = new TextEncoder().encode(`blob ${bytes.length}\0`);
  const all = new Uint8Array(head.length + bytes.length);
  all.set(head);
  all.set(bytes, head.length);
  const hex = async (algorithm: string, data: Uint8Array<ArrayBuffer>) =>
    [...new Uint8Array(await crypto.subtle.digest(algorithm, data))].map((byte) =>
      byte.toString(16).padStart(2, "0")
    ).join("");
  const [gitSha1, sha256] = [await hex("SHA-1", all), await hex("SHA-256", bytes)];
  return {
    size: bytes.length,
    read: () => {
      throw new Error("only the listing is served");
    },
    digests: () => Promise.resolve({ sha256, sha1: "", gitSha1, md5: "" }),
  };
}

/** Ceph with a bucket `bench` that holds a directory's files under `org/model`. */
async function cephWith(directory: string): Promise<Ceph | { readonly skip: string }> {
  const ceph = await startCeph();
  if ("skip" in ceph) return ceph;
  await shell(
    `${aws(ceph)} rb --force s3://bench >/dev/null 2>&1; ${aws(ceph)} mb s3://bench >/dev/null &&
      ${aws(ceph)} cp --quiet --recursive '${directory}' s3://bench/org/model`,
    ceph.env,
  );
  return ceph;
}

/** Debian's version does not know AWS_ENDPOINT_URL. */
function aws(ceph: Ceph): string {
  return `/usr/bin/aws --endpoint-url '${ceph.url}' s3`;
}

function rclone(ceph: Ceph): string {
  return `env -u AWS_CA_BUNDLE rclone --config /dev/null -q --s3-provider Ceph --s3-endpoint '${ceph.url}' --s3-access-key-id AK --s3-secret-access-key SK`;
}

function s3cmd(ceph: Ceph): string {
  const host = new URL(ceph.url).host;
  return `s3cmd -q --no-ssl --config=/dev/null --access_key=AK --secret_key=SK --host=${host} --host-bucket=${host}`;
}

async function fromCeph(
  world: World,
  options: MeasureOptions,
  bytes: number,
  work: string,
  limit: number,
): Promise<Result> {
  const source = `${world.fast}/source`, to = `${world.fast}/to`;
  const ceph = await cephWith(source);
  await freshDirectory(source, 0);
  if ("skip" in ceph) return { figures: new Map(), comparisons: [], skipped: ceph.skip };
  try {
    const many = bytes < GIB;
    const peers = [
      // Too slow with small files to repeat.
      { ...script("awscli", `${aws(ceph)} cp --quiet --recursive s3://bench/org/model '${to}'`), once: many },
      script(
        "rclone",
        `${rclone(ceph)} copy --transfers ${
          many ? 32 : 4
        } --multi-thread-streams 8 :s3:bench/org/model '${to}'`,
      ),
      // It downloads one file at a time: small files take minutes.
      ...many ? [] : [{
        ...script("s3cmd", `${s3cmd(ceph)} get --recursive --force s3://bench/org/model/ '${to}/'`),
        once: true,
      }],
    ].filter(({ name }) => world.peers.has(name === "awscli" ? "aws" : name as "rclone" | "s3cmd"));
    const own = [
      fetched(world, "aim", "s3://bench/org/model", to, ceph.env),
      ...many
        ? []
        : [fetched(world, "aim, not verifying", "s3://bench/org/model", to, ceph.env, "--no-verify")],
    ];
    const contenders = [...own, ...peers]
      .map((contender) => into(to, bytes, { ...contender, env: { ...ceph.env, ...contender.env } }));
    return await weighed(contenders, [
      { work, subject: "aim", against: ["awscli", "rclone", "s3cmd"], figure: "wall", limit },
      { work, subject: "aim", against: ["awscli", "rclone", "s3cmd"], figure: "cpu", limit: null },
    ], options);
  } finally {
    await freshDirectory(to, 0);
    await ceph.close();
  }
}

async function cephFiles(world: World, options: MeasureOptions): Promise<Result> {
  const each = world.quick ? 16 * MIB : 256 * MIB;
  await freshDirectory(`${world.fast}/source`, 0);
  for (let n = 0; n < 16; n++) await writeNoise(`${world.fast}/source/shard-${n}.safetensors`, each, n + 1);
  return await fromCeph(world, options, 16 * each, `16 × ${short(each)} from Ceph`, 0.8);
}

async function cephManyFiles(world: World, options: MeasureOptions): Promise<Result> {
  const count = world.quick ? 500 : 5000;
  await writeMany(`${world.fast}/source`, count, 16 * 1024);
  return await fromCeph(
    world,
    options,
    count * 16 * 1024,
    `${count.toLocaleString("en")} × 16 KiB from Ceph`,
    0.5,
  );
}

async function delayed(world: World, options: MeasureOptions): Promise<Result> {
  const bytes = world.quick ? 128 * MIB : GIB / 2;
  const source = `${world.fast}/source`, to = `${world.fast}/to`;
  await freshDirectory(source, 0);
  await writeNoise(`${source}/model.safetensors`, bytes);
  const files = { "model.safetensors": await listedFile(`${source}/model.safetensors`) };
  await using hub = await startFarHub(source, files, "model.safetensors");
  const contenders = [
    fetched(world, "aim", "hf://org/model", to, { HF_ENDPOINT: hub.url }),
    ...fetchedBefore(world, "hf://org/model", to, { HF_ENDPOINT: hub.url }),
    {
      ...script(
        "curl",
        `curl -s -o '${to}/model.safetensors' '${hub.fileUrl("org/model", "model.safetensors")}'`,
      ),
      once: !world.quick,
    },
  ].map((contender) => into(to, bytes, contender));
  try {
    return await weighed(contenders, [
      {
        work: `${short(bytes)}, 100 ms round trip`,
        subject: "aim",
        against: ["curl"],
        figure: "wall",
        limit: 0.2,
      },
      noWorse(`${short(bytes)}, 100 ms round trip`, 1.1),
    ], { ...options, runs: Math.min(options.runs, 3) });
  } finally {
    await freshDirectory(to, 0);
  }
}

/** Real TCP with delay and packet loss. One run each, because a single connection takes minutes. */
async function lossy(world: World): Promise<Result> {
  const can = Deno.uid() === 0 &&
    await shell("test -c /dev/net/tun && ip netns list").then(() => true, () => false);
  if (!can) {
    return {
      figures: new Map(),
      comparisons: [],
      skipped: "needs root, /dev/net/tun and ip (Debian: iproute2)",
    };
  }
  const bytes = world.quick ? 4 * MIB : 32 * MIB;
  const source = `${world.fast}/source`, to = `${world.fast}/to`;
  await freshDirectory(source, 0);
  await writeNoise(`${source}/model.safetensors`, bytes);
  const figures = new Map<string, readonly Run[]>();
  const claims: Claim[] = [];
  for (const delay of [20, 100]) {
    await using link = await lossyLink(delay, 0.01);
    await using hub = await startStaticHub([{
      id: "org/model",
      directory: source,
      files: { "model.safetensors": await listedFile(`${source}/model.safetensors`) },
      redirect: true,
    }], { address: link.address });
    const url = hub.fileUrl("org/model", "model.safetensors");
    const contenders = [
      fetched(world, "aim", "hf://org/model", to, { HF_ENDPOINT: hub.url }),
      script("curl", `curl -s -o '${to}/model.safetensors' '${url}'`),
      script(
        "aria2c",
        `aria2c -q -x16 -s16 -k1M --file-allocation=none -d '${to}' -o model.safetensors '${url}'`,
      ),
    ].filter(({ name }) => name !== "aria2c" || world.peers.has("aria2c")).map((contender) => ({
      ...into(to, bytes, contender),
      name: `${contender.name}, ${delay} ms`,
      args: ["ip", "netns", "exec", link.namespace, ...contender.args],
      once: true,
    }));
    for (const [name, runs] of await measure(contenders, { runs: 1, lock: null })) figures.set(name, runs);
    for (const other of ["curl", "aria2c"]) {
      claims.push({
        work: `${short(bytes)}, ${delay} ms round trip, 1 % lost`,
        subject: `aim, ${delay} ms`,
        against: [`${other}, ${delay} ms`],
        figure: "wall",
        limit: null,
      });
    }
  }
  await freshDirectory(to, 0);
  return { figures, comparisons: claims.flatMap((claim) => compare(claim, figures) ?? []) };
}

/**
 * Opens a link to a network namespace. @param delay Round trip in milliseconds. @param loss Share of lost
 * packets to the namespace.
 */
async function lossyLink(
  delay: number,
  loss: number,
): Promise<AsyncDisposable & { readonly namespace: string; readonly address: string }> {
  const namespace = `aim-bench-${Deno.pid}`;
  const link = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "-P",
      `--config=${CONFIG}`,
      new URL("lossy_link.ts", import.meta.url).pathname,
      namespace,
      String(delay),
      String(loss),
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = link.stdout.getReader();
  const { done } = await reader.read();
  if (done) throw new Error("cannot create the link with delay and loss");
  reader.releaseLock();
  return {
    namespace,
    address: "10.207.7.1",
    async [Symbol.asyncDispose]() {
      await link.stdin.close();
      await link.status;
      await link.stdout.cancel();
    },
  };
}

async function startUp(world: World, options: MeasureOptions): Promise<Result> {
  const cache = `${world.disk}/start/org/model`;
  await freshDirectory(cache, 0);
  await Deno.writeTextFile(`${cache}/config.json`, "{}");
  // A header of two bytes and no tensors.
  await Deno.writeTextFile(`${cache}/model.safetensors`, "\x02\0\0\0\0\0\0\0{}");
  const env = {
    AIM_CACHE_PATH: `${world.disk}/start`,
    AIM_MODEL_ID: "org/model",
    AIM_GPU_MODEL: "MI300X",
    AIM_GPU_COUNT: "1",
    AIM_LOG_LEVEL: "ERROR",
    ...await quickEngine(`${world.disk}/bin`),
  };
  const python = world.peers.get("python");
  const contenders: Contender[] = [
    { name: "aim dry-run", args: [...world.aim, "dry-run"], env },
    { name: "aim serve", args: [...world.aim, "serve"], env },
    ...world.before === null ? [] : [{ name: BEFORE, args: [world.before, "dry-run"], env }],
    ...python === undefined ? [] : [{ name: "Python's imports", args: [python, "-c", PYTHON_IMPORTS] }],
  ];
  const claim = (subject: string): Claim => ({
    work: `${subject}, to ${subject === "aim serve" ? "the engine's end, which does nothing" : "its end"}`,
    subject,
    against: ["Python's imports"],
    figure: "wall",
    limit: 0.15,
    why: "the launcher and the runtime with an empty module take 20 ms",
  });
  const sinceBefore = { ...claim("aim dry-run"), against: [BEFORE], limit: null };
  return await weighed(contenders, [claim("aim dry-run"), claim("aim serve"), sinceBefore], {
    ...options,
    runs: options.runs * 4,
  });
}

async function verification(world: World, options: MeasureOptions): Promise<Result> {
  const each = world.quick ? 64 * MIB : GIB;
  const source = `${world.fast}/source`, cache = `${world.fast}/cache`;
  await freshDirectory(source, 0);
  const names = [1, 2, 3, 4].map((n) => `model-0000${n}-of-00004.safetensors`);
  for (const [n, name] of names.entries()) {
    await writeNoise(`${source}/${name}`, each, n + 1);
    await beginLikeSafetensors(`${source}/${name}`, each);
  }
  await Deno.writeTextFile(`${source}/config.json`, "{}");
  const files = Object.fromEntries(
    await Promise.all(
      [...names, "config.json"].map(async (name) => [name, await listedFile(`${source}/${name}`)] as const),
    ),
  );
  await using hub = await served(source, files, true);
  const env = { HF_ENDPOINT: hub.url, AIM_CACHE_PATH: cache, HF_HOME: cache, AIM_LOG_LEVEL: "ERROR" };
  await freshDirectory(cache, 0);
  const { success, stderr } = await new Deno.Command(world.aim[0] ?? "", {
    args: [...world.aim.slice(1), "download-to-cache", "--model-id", "hf://org/model", ...QUIET],
    env,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  try {
    return await weighed([
      { name: "aim", args: [...world.aim, "cache", "verify", "org/model"], env },
      ...world.before === null
        ? []
        : [{ name: BEFORE, args: [world.before, "cache", "verify", "org/model"], env }],
      script("openssl, one core", `openssl dgst -sha256 '${cache}'/org/model/*.safetensors`),
    ], [
      {
        work: `verifying ${short(4 * each)}`,
        subject: "aim",
        against: ["openssl, one core"],
        figure: "wall",
        limit: 0.6,
      },
      noWorse(`verifying ${short(4 * each)}`, 1.1),
    ], options);
  } finally {
    await freshDirectory(cache, 0);
    await freshDirectory(source, 0);
  }
}

/** Overwrites a file's first bytes with the header of one tensor that fills it. */
async function beginLikeSafetensors(path: string, size: number): Promise<void> {
  const room = 120;
  const bytes = size - 8 - room;
  const header = JSON.stringify({ noise: { dtype: "U8", shape: [bytes], data_offsets: [0, bytes] } });
  const head = new Uint8Array(8 + room).fill(32);
  new DataView(head.buffer).setBigUint64(0, BigInt(room), true);
  head.set(new TextEncoder().encode(header), 8);
  using file = await Deno.open(path, { write: true });
  await file.write(head);
}

async function memory(world: World, options: MeasureOptions): Promise<Result> {
  const source = `${world.disk}/source`, to = `${world.disk}/to`;
  const sizes = world.quick ? [256 * MIB, GIB] : [2 * GIB, 20 * GIB];
  const all = new Map<string, readonly Run[]>();
  for (const bytes of sizes) {
    await freshDirectory(source, 0);
    await shell(`truncate -s ${bytes} '${source}/model.safetensors'`);
    await using hub = await served(source, {
      "model.safetensors": await listedFile(`${source}/model.safetensors`),
    }, true);
    const name = `aim, ${short(bytes)}`;
    const contenders = [
      fetched(world, name, "hf://org/model", to, { HF_ENDPOINT: hub.url }),
      ...fetchedBefore(world, "hf://org/model", to, { HF_ENDPOINT: hub.url })
        .map((one) => ({ ...one, name: `${one.name}, ${short(bytes)}` })),
    ];
    const figures = await measure(contenders.map((one) => into(to, 0, one)), {
      ...options,
      runs: Math.min(options.runs, 3),
    });
    for (const [key, runs] of figures) all.set(key, runs);
  }
  await freshDirectory(to, 0);
  const [small = 0, large = 0] = sizes;
  const claims: Claim[] = [
    {
      work: `memory for ${short(large)}`,
      subject: `aim, ${short(large)}`,
      against: [`aim, ${short(small)}`],
      figure: "memory",
      limit: 1.1,
    },
    {
      work: `memory for ${short(large)}`,
      subject: `aim, ${short(large)}`,
      against: [],
      figure: "memory",
      limit: 128 * MIB,
    },
    ...sizes.map((bytes): Claim => ({
      work: `memory for ${short(bytes)}`,
      subject: `aim, ${short(bytes)}`,
      against: [`${BEFORE}, ${short(bytes)}`],
      figure: "memory",
      limit: 1.1,
    })),
  ];
  return { figures: all, comparisons: claims.flatMap((claim) => compare(claim, all) ?? []) };
}

/**
 * A download to repeat: one sparse file to disk, or `count` files of `size` bytes to memory. Many files are
 * not written to disk, because ext4 scans the inodes of recently deleted files one by one.
 */
export async function downloads(
  world: World,
  of: { count: number; bytes: number; flags: readonly string[]; far?: boolean },
): Promise<AsyncDisposable & { readonly contender: Contender }> {
  const place = of.count === 1 ? world.disk : world.fast;
  const source = `${place}/source`, to = `${place}/to`;
  let files: StaticModel["files"];
  if (of.count === 1) {
    await freshDirectory(source, 0);
    await shell(`truncate -s ${of.bytes} '${source}/model.safetensors'`);
    files = { "model.safetensors": await listedFile(`${source}/model.safetensors`) };
  } else {
    const names = await writeMany(source, of.count, of.bytes);
    files = Object.fromEntries(
      await Promise.all(
        names.map(async (name) => [name, await gitFile(`${source}/${name}`)] as const),
      ),
    );
  }
  const hub = of.far === true
    ? await startFarHub(source, files, Object.keys(files)[0] ?? "")
    : await served(source, files, of.count === 1);
  const contender = fetched(world, "aim", "hf://org/model", to, { HF_ENDPOINT: hub.url }, ...of.flags);
  return {
    contender: { ...contender, before: () => freshDirectory(to, 0) },
    [Symbol.asyncDispose]: async () => {
      await hub[Symbol.asyncDispose]();
      await freshDirectory(to, 0);
      await freshDirectory(source, 0);
    },
  };
}

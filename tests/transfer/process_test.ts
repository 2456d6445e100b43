// Runs aim as a process: killed, interrupted, twice at once, and on a full disk.
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { statfs } from "node:fs/promises";
import { join } from "@std/path";
import { DENO_RUN, MAIN, plainEnvironment } from "../cli/aim.ts";
import { randomBytes, seededRandom, virtualContent } from "../servers/content.ts";
import type { SeenRequest } from "../servers/faults.ts";
import { type HubServer, startHub } from "../servers/hub_server.ts";

/** CI runs the long variants; other runs use less data. */
const FULL = Deno.env.get("AIM_TEST_FULL") === "1";
const MIB = 1024 * 1024;
const JOBS = 4;
const PART = MIB / 2;
const WEIGHTS = "model.safetensors";
const CONFIG = JSON.stringify({ architectures: ["LlamaForCausalLM"] });

interface Started {
  readonly process: Deno.ChildProcess;
  /** Resolves when the process ends. */
  readonly ended: Promise<{ code: number; signal: string | null; stderr: string; stdout: string }>;
}

/** Starts `aim download-to-cache` for the hub's model. */
function start(hub: HubServer, cache: string, options: { jobs?: number; part?: number } = {}): Started {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...DENO_RUN,
      MAIN,
      "download-to-cache",
      ...["--model-id", "hf://org/tiny", "--cache-path", cache, "--progress", "none"],
      ...["--jobs", String(options.jobs ?? JOBS), "--part-size", String(options.part ?? PART)],
    ],
    clearEnv: true,
    env: { ...plainEnvironment(), HF_ENDPOINT: hub.url },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ended = process.output().then(({ code, signal, stderr, stdout }) => ({
    ...{ code, signal },
    stderr: new TextDecoder().decode(stderr),
    stdout: new TextDecoder().decode(stdout),
  }));
  return { process, ended };
}

async function finish(started: Started): Promise<void> {
  const { code, stderr } = await started.ended;
  assertEquals(code, 0, stderr);
}

async function withHub(
  files: Parameters<typeof startHub>[0]["repos"][number]["files"],
  run: (hub: HubServer, cache: string) => Promise<void>,
): Promise<void> {
  const cache = await Deno.makeTempDir();
  const hub = await startHub({ repos: [{ id: "org/tiny", files }] });
  try {
    await run(hub, cache);
  } finally {
    await hub.close();
    await Deno.remove(cache, { recursive: true });
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let n = 0; n < 6_000; n++) {
    if (condition()) return;
    await sleep(5);
  }
  throw new Error(`timed out waiting until ${what}`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Requests for the weights. */
function reads(hub: HubServer): SeenRequest[] {
  return hub.requests.filter((r) => r.role === "cdn" && r.method === "GET" && r.status < 400 && r.status > 0);
}

/** Bytes of the weights that were requested. */
function bytesAsked(hub: HubServer, size: number): number {
  return reads(hub).reduce((sum, { range }) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    return sum + (first === undefined ? size : Number(last) - Number(first) + 1);
  }, 0);
}

function modelPath(cache: string, path = WEIGHTS): string {
  return join(cache, "org/tiny", path);
}

async function assertWeights(cache: string, weights: Uint8Array): Promise<void> {
  const found = await Deno.readFile(modelPath(cache));
  assertEquals(found.length, weights.length);
  assert(found.every((byte, i) => byte === weights[i]), "the weights differ");
  assertEquals(leftIn(join(cache, "org/tiny")).filter((name) => name.includes("incomplete")), []);
}

function leftIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map((entry) => entry.name);
  } catch {
    return [];
  }
}

const KILLS = FULL ? 20 : 5;

Deno.test(`after each of ${KILLS} kills at random moments, a download requests at most its unfinished parts again`, async () => {
  // More than all kills may cost together, and more than is downloaded before the last one.
  const weights = randomBytes(Math.max(40, KILLS * 8) * MIB, 1);
  const random = seededRandom(Date.now());
  await withHub({ "config.json": CONFIG, [WEIGHTS]: weights }, async (hub, cache) => {
    hub.faults.push({ kind: "slow", rate: 2 * MIB, roles: ["cdn"] });
    for (let kill = 0; kill < KILLS; kill++) {
      const before = reads(hub).length;
      const run = start(hub, cache);
      await until(() => reads(hub).length > before, "a request is answered");
      await sleep(random() * 900);
      run.process.kill("SIGKILL");
      assertEquals((await run.ended).signal, "SIGKILL");
      assertEquals(leftIn(join(cache, "org/tiny")).includes(WEIGHTS), false);
    }
    hub.faults.length = 0;
    await finish(start(hub, cache));
    await assertWeights(cache, weights);
    const again = bytesAsked(hub, weights.length) - weights.length;
    assert(again <= KILLS * JOBS * PART, `${again} bytes were asked for again`);
    assert(again < weights.length, "nothing was resumed");
  });
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`${signal} ends a download with exit code ${code} within two seconds, and the next run resumes`, async () => {
    const weights = randomBytes(16 * MIB, 2);
    await withHub({ "config.json": CONFIG, [WEIGHTS]: weights }, async (hub, cache) => {
      hub.faults.push({ kind: "slow", rate: MIB, roles: ["cdn"] });
      const run = start(hub, cache);
      await until(() => reads(hub).length > JOBS, "a part is downloaded");
      const asked = performance.now();
      run.process.kill(signal);
      assertEquals((await run.ended).code, code);
      assert(performance.now() - asked < 2_000);
      hub.faults.length = 0;
      hub.requests.length = 0;
      await finish(start(hub, cache));
      await assertWeights(cache, weights);
      assert(bytesAsked(hub, weights.length) < weights.length - PART, "nothing was resumed");
    });
  });
}

Deno.test("if two processes start together, one downloads, and the other takes over when it is killed", async () => {
  const weights = randomBytes(16 * MIB, 3);
  await withHub({ "config.json": CONFIG, [WEIGHTS]: weights }, async (hub, cache) => {
    hub.faults.push({ kind: "slow", rate: MIB, roles: ["cdn"] });
    const runs = [start(hub, cache), start(hub, cache)];
    await until(() => reads(hub).length > 2 * JOBS, "some parts are downloaded");
    const lock = JSON.parse(await Deno.readTextFile(modelPath(cache, ".aim/lock")));
    const holder = runs.find((run) => run.process.pid === lock.pid);
    const other = runs.find((run) => run !== holder);
    assert(holder !== undefined && other !== undefined, "neither holds the lease");
    holder.process.kill("SIGKILL");
    await holder.ended;
    hub.faults.length = 0;
    const { code, stderr } = await other.ended;
    assertEquals(code, 0, stderr);
    assert(
      stderr.includes(`process ${lock.pid} on ${Deno.hostname()}`),
      `the holder is not named: ${stderr}`,
    );
    await assertWeights(cache, weights);
    const again = bytesAsked(hub, weights.length) - weights.length;
    assert(again <= JOBS * PART, `${again} bytes were asked for again`);
  });
});

Deno.test("two processes that start together request each byte once", async () => {
  const weights = randomBytes(8 * MIB, 4);
  await withHub({ "config.json": CONFIG, [WEIGHTS]: weights }, async (hub, cache) => {
    hub.faults.push({ kind: "slow", rate: 2 * MIB, roles: ["cdn"] });
    const runs = [start(hub, cache), start(hub, cache)];
    for (const run of runs) await finish(run);
    await assertWeights(cache, weights);
    assertEquals(bytesAsked(hub, weights.length), weights.length);
  });
});

Deno.test("the published bytes are right even if a second download starts while the lock is deleted repeatedly", async () => {
  const weights = randomBytes(16 * MIB, 5);
  await withHub({ "config.json": CONFIG, [WEIGHTS]: weights }, async (hub, cache) => {
    hub.faults.push({ kind: "slow", rate: MIB, roles: ["cdn"] });
    const first = start(hub, cache);
    await until(() => reads(hub).length > JOBS, "some parts are downloaded");
    const second = start(hub, cache);
    // Repeatedly, so that both run without a lock most of the time.
    let deleting = true;
    const deleted = (async () => {
      for (; deleting; await sleep(50)) await Deno.remove(modelPath(cache, ".aim/lock")).catch(() => {});
    })();
    await sleep(4_000);
    hub.faults.length = 0;
    const ends = await Promise.all([first.ended, second.ended]);
    deleting = false;
    await deleted;
    assertEquals(ends.map((end) => end.code), [0, 0], ends.map((end) => end.stderr).join("\n"));
    await assertWeights(cache, weights);
  });
});

const SMALL_FILES = FULL ? 5_000 : 1_000;

Deno.test(`each of ${SMALL_FILES} small files is downloaded with one request and its redirect`, async () => {
  const files: Record<string, Uint8Array | string> = { "config.json": CONFIG };
  for (let n = 0; n < SMALL_FILES; n++) {
    files[`part/${n % 10}/${n}.bin`] = randomBytes(16 * 1024 - n % 100, n + 1);
  }
  await withHub(files, async (hub, cache) => {
    await finish(start(hub, cache, { jobs: 32 }));
    for (const [path, bytes] of Object.entries(files)) {
      const found = await Deno.readFile(modelPath(cache, path));
      const expected = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
      assert(found.length === expected.length && found.every((b, i) => b === expected[i]), `${path} differs`);
    }
    const asked = hub.requests.filter((r) => r.role === "resolve" || r.role === "cdn");
    const perFile = Map.groupBy(asked, ({ file }) => file);
    const largest = Math.max(...[...perFile.values()].map((requests) => requests.length));
    assert(largest <= 2, `a file took ${largest} requests`);
  });
});

/** Sizes of two files whose downloads must take the same memory. */
const [SMALL_FILE, LARGE_FILE] = FULL ? [2048 * MIB, 20 * 1024 * MIB] : [64 * MIB, 512 * MIB];

const hasSpace = await freeBytes() >= LARGE_FILE + 1024 * MIB;

Deno.test({
  name: `a file of ${LARGE_FILE / MIB} MiB needs no more memory than one of ${
    SMALL_FILE / MIB
  } MiB, and less than 200 MiB${hasSpace ? "" : " (skipped: too little space in the temporary directory)"}`,
  ignore: !hasSpace,
  fn: async () => {
    const peaks: number[] = [];
    for (const size of [SMALL_FILE, LARGE_FILE]) {
      const content = virtualContent({
        size,
        kind: "zeros",
        sha256: await sha256Of(virtualContent({ size, kind: "zeros" })),
      });
      await withHub({ "config.json": CONFIG, [WEIGHTS]: content }, async (hub, cache) => {
        const run = start(hub, cache, { jobs: 8, part: 32 * MIB });
        const peak = peakMemory(run.process.pid);
        await finish(run);
        peaks.push(await peak);
        assertEquals((await Deno.stat(modelPath(cache))).size, size);
      });
    }
    const [small = 0, large = 0] = peaks;
    assert(large < 200 * MIB, `the peak is ${large} bytes`);
    // The thread pool and garbage collection make a difference of some megabytes.
    assert(large < small * 1.1 + 16 * MIB, `the peaks are ${small} and ${large} bytes`);
  },
});

async function sha256Of(content: ReturnType<typeof virtualContent>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of content.read(0, content.size)) hash.update(piece);
  return hash.digest("hex");
}

/** Peak memory of a process, in bytes; resolves when it ends. */
async function peakMemory(pid: number): Promise<number> {
  const script = `while grep VmHWM /proc/${pid}/status 2>/dev/null; do sleep 0.1; done | tail -n 1`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script], stderr: "null" }).output();
  return Number(/(\d+) kB/.exec(new TextDecoder().decode(stdout))?.[1]) * 1024;
}

async function freeBytes(): Promise<number> {
  const probe = await Deno.makeTempDir();
  const { bavail, bsize } = await statfs(probe);
  await Deno.remove(probe);
  return bavail * bsize;
}

const mountable = await canMount();

Deno.test({
  name:
    `a disk that fills up during a download ends it with exit code 7, and the next run resumes once there is space${
      mountable ? "" : " (skipped: mounting takes root)"
    }`,
  ignore: !mountable,
  fn: async () => {
    const weights = randomBytes(24 * MIB, 6);
    const cache = await Deno.makeTempDir();
    await run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", cache);
    const hub = await startHub({
      repos: [{ id: "org/tiny", files: { "config.json": CONFIG, [WEIGHTS]: weights } }],
    });
    try {
      hub.faults.push({ kind: "slow", rate: 2 * MIB, roles: ["cdn"] });
      const first = start(hub, cache);
      await until(() => reads(hub).length > JOBS, "a part is downloaded");
      const filler = await Deno.create(join(cache, "filler"));
      // Fills the disk, including space that is freed meanwhile.
      await filler.write(new Uint8Array(12 * MIB)).catch(() => {});
      filler.close();
      hub.faults.length = 0;
      const { code, stderr } = await first.ended;
      assertEquals(code, 7, stderr);
      assert(/no space left/i.test(stderr), stderr);
      assertEquals(leftIn(join(cache, "org/tiny")).includes(WEIGHTS), false);
      await Deno.remove(join(cache, "filler"));
      await finish(start(hub, cache));
      await assertWeights(cache, weights);
      const again = bytesAsked(hub, weights.length) - weights.length;
      assert(again <= JOBS * PART, `${again} bytes were asked for again`);
    } finally {
      await hub.close();
      await run("umount", cache);
      await Deno.remove(cache);
    }
  },
});

Deno.test("an unwritable cache ends a download with exit code 7 before the first byte", async () => {
  await withHub({ "config.json": CONFIG, [WEIGHTS]: randomBytes(MIB, 7) }, async (hub, cache) => {
    // Even root cannot create a directory below a file.
    await Deno.writeTextFile(join(cache, "file"), "");
    const { code, stderr } = await start(hub, join(cache, "file")).ended;
    assertEquals(code, 7, stderr);
    assertEquals(reads(hub), []);
  });
});

async function run(program: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output()).success;
}

/** Whether this user may mount a small tmpfs. */
async function canMount(): Promise<boolean> {
  const probe = await Deno.makeTempDir();
  const mounted = await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", probe).catch(() => false);
  if (mounted) await run("umount", probe);
  await Deno.remove(probe);
  return mounted;
}

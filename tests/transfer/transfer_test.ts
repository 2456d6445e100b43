import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { streamOf } from "../sources/stream_of.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { hostIdentity } from "../../src/transfer/lease/host_identity.ts";
import { flushedLine, openLine, readRecord, wroteLine } from "../../src/transfer/large/part_record.ts";
import { configureLog } from "../../src/log/logger.ts";
import { SourceChangedError, TransientError } from "../../src/sources/source.ts";
import { transfer } from "../../src/transfer/transfer.ts";
import type { TransferEvent, TransferItem, TransferOptions } from "../../src/transfer/types.ts";
import {
  FakeSource,
  fastClock,
  type Fault,
  randomBytes,
  seeded,
  streamOf as bytesStream,
} from "./fake_source.ts";

configureLog({ level: "CRITICAL" });

const MIB = 1024 * 1024;
const BIG = randomBytes(5 * MIB + 12_345, seeded(10));
const SMALL = randomBytes(3_000, seeded(11));

/** Runs a test with a source of one large, one small and one empty file, and a directory to transfer to. */
async function withModel(
  run: (model: {
    directory: string;
    source: FakeSource;
    items: TransferItem[];
    events: TransferEvent[];
    download: (options?: Partial<TransferOptions>) => ReturnType<typeof transfer>;
  }) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const source = new FakeSource({ "big.bin": BIG, "sub/small.json": SMALL, "empty.txt": new Uint8Array() });
  const items = source.files.map((file) => itemOf(directory, file));
  const events: TransferEvent[] = [];
  try {
    await run({
      directory,
      source,
      items,
      events,
      download: (options = {}) =>
        transfer(source, items, {
          ...OPTIONS,
          root: directory,
          onEvent: (e) => void events.push(e),
          ...options,
        }),
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function itemOf(directory: string, file: TransferItem["file"]): TransferItem {
  return {
    file,
    staging: join(directory, `${file.path}.incomplete`),
    compute: [],
    target: () => join(directory, file.path),
  };
}

const OPTIONS: Omit<TransferOptions, "root"> = {
  jobs: 4,
  partSize: MIB,
  maxBandwidth: null,
  stallTimeout: 120_000,
  verify: true,
  revision: "c0ffee",
  signal: new AbortController().signal,
  clock: fastClock(200),
};

/** Relative paths of all files below a directory. */
function filesIn(directory: string, under = ""): string[] {
  return [...Deno.readDirSync(join(directory, under))].flatMap((entry) => {
    const path = join(under, entry.name);
    return entry.isDirectory ? filesIn(directory, path) : [path];
  }).sort();
}

function assertWhole(directory: string): void {
  assertEquals(filesIn(directory), ["big.bin", "empty.txt", "sub/small.json"]);
  assert(equal(Deno.readFileSync(join(directory, "big.bin")), BIG), "big.bin differs");
  assert(equal(Deno.readFileSync(join(directory, "sub/small.json")), SMALL), "small.json differs");
  assertEquals(Deno.statSync(join(directory, "empty.txt")).size, 0);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Bytes of the large file in all requests. */
function bytesAsked(source: FakeSource): number {
  return source.requests.filter((r) => r.file.path === "big.bin")
    .reduce((sum, { range, file }) => sum + (range === null ? file.size : range.end - range.start), 0);
}

Deno.test("a model is downloaded completely and verified, and leaves no other files", async () => {
  await withModel(async ({ directory, download, events }) => {
    const result = await download();
    assertWhole(directory);
    assertEquals(result.files.map((f) => [f.file.path, f.proof]), [
      ["big.bin", "digest"],
      ["sub/small.json", "digest"],
      ["empty.txt", "digest"],
    ]);
    assertEquals(result.bytesMoved, BIG.length + SMALL.length);
    assertEquals(result.bytesPresent, 0);
    const counted = events.reduce((sum, e) => e.type === "bytes" ? sum + e.bytes : sum, 0);
    assertEquals(counted, BIG.length + SMALL.length);
    assertEquals(events[0], { type: "start", files: 3, bytes: BIG.length + SMALL.length, bytesPresent: 0 });
    assertEquals(events.at(-1)?.type, "end");
    for (const { file } of result.files) {
      const states = events.flatMap((e) => e.type === "file" && e.path === file.path ? [e.state] : []);
      assertEquals(states, file.size > MIB ? ["active", "verifying", "done"] : ["active", "done"]);
    }
  });
});

Deno.test("digests are computed in addition to the verified one, and can name the target", async () => {
  await withModel(async ({ directory, source }) => {
    const items = ["big.bin", "sub/small.json"].map((path): TransferItem => ({
      ...itemOf(directory, source.file(path, null)),
      compute: ["sha256", "md5"],
      target: (digests) => join(directory, "blobs", digests.sha256 ?? "none"),
    }));
    Deno.mkdirSync(join(directory, "blobs"));
    const { files } = await transfer(source, items, { ...OPTIONS, root: directory });
    assertEquals(
      filesIn(directory),
      ["big.bin", "sub/small.json"].map((p) => `blobs/${source.file(p).etag}`).sort(),
    );
    assertEquals(files.map((f) => f.proof), ["size", "size"]);
    assert(files.every((f) => f.digests.md5?.length === 32));
  });
});

Deno.test("two paths with the same content are downloaded once", async () => {
  await withModel(async ({ directory, source }) => {
    const twin = { ...source.file("big.bin"), path: "twin.bin" as TransferItem["file"]["path"] };
    const one = itemOf(directory, source.file("big.bin"));
    const result = await transfer(source, [one, { ...one, file: twin }], { ...OPTIONS, root: directory });
    assertEquals(result.files.map((f) => f.file.path), ["big.bin", "twin.bin"]);
    assertEquals(result.bytesMoved, BIG.length);
  });
});

Deno.test("without verification a wrong digest is not noticed, and the result reports the size as proof", async () => {
  await withModel(async ({ directory, source }) => {
    const wrong = source.file("big.bin", { algorithm: "sha256", hex: "00" });
    const result = await transfer(source, [itemOf(directory, wrong)], {
      ...OPTIONS,
      root: directory,
      verify: false,
    });
    assertEquals(result.files.map((f) => f.proof), ["size"]);
  });
});

// The transfer must succeed despite each of these faults.
const CURABLE: Record<string, () => Fault> = {
  "every third request is refused with 503": () => ({ index }) => {
    if (index % 3 === 0) throw new TransientError("503 Service Unavailable");
    return null;
  },
  "every connection is cut after 100 KiB": () => (_, right) => cutAfter(right(), 100 * 1024, "reset"),
  "every body ends early without an error": () => (_, right) => cutAfter(right(), 70_000, "close"),
  "the first request of each range stalls before its first byte": () => {
    const seen = new Set<string>();
    return (request) => {
      const key = `${request.file.path} ${request.range?.start}`;
      return seen.has(key) ? null : (seen.add(key), hangUntilAborted(request.signal));
    };
  },
  "every connection stalls in the middle": () => ({ index }, right) =>
    index < 8 ? cutAfter(right(), 1500, "hang") : null,
  "the server ignores ranges": () => ({ file }) => wholeBody(file.path),
  "the server begins to ignore ranges midway": () => ({ file, index }) =>
    index < 4 ? null : wholeBody(file.path),
  "one bit of the first answer is flipped": () => ({ index, file }, right) =>
    index === 0 ? flipped(right(), file.size / 7 | 0) : null,
  "bodies are longer than requested": () => (_, right) => {
    const { range, body } = right();
    return { range, length: null, body: followedBy(streamOf({ body }), new Uint8Array(5_000).fill(255)) };
  },
};

let source0: FakeSource | undefined;
function wholeBody(path: string) {
  if (source0 === undefined) throw new Error("no source");
  return source0.body(path, { start: 0, end: source0.file(path).size });
}

for (const [name, makeFault] of Object.entries(CURABLE)) {
  Deno.test(`the model is downloaded although ${name}`, async () => {
    await withModel(async ({ directory, source, download, items }) => {
      source0 = source;
      source.fault = makeFault();
      // A small file's body that is too long is rejected: it may be another file's.
      if (name === "bodies are longer than requested") {
        await transfer(source, items.filter((i) => i.file.path === "big.bin"), {
          ...OPTIONS,
          root: directory,
        });
        assert(equal(Deno.readFileSync(join(directory, "big.bin")), BIG), "big.bin differs");
        return;
      }
      await download({ stallTimeout: 20_000 });
      assertWhole(directory);
    });
  });
}

// Each fault ends the transfer with an error of this kind, and no wrong bytes are published.
const FATAL: Record<string, { fault: () => Fault; kind: string }> = {
  "every request is refused with 503": {
    fault: () => () => {
      throw new TransientError("503 Service Unavailable");
    },
    kind: "network",
  },
  "no byte ever arrives": { fault: () => ({ signal }) => hangUntilAborted(signal), kind: "network" },
  "every connection is reset at once": {
    fault: () => (_, right) => cutAfter(right(), 0, "reset"),
    kind: "network",
  },
  "each answer has a flipped bit": {
    fault: () => (_, right) => flipped(right(), 100),
    kind: "integrity",
  },
  "access is denied": {
    fault: () => () => {
      throw new AimError("unauthorized", "denied");
    },
    kind: "unauthorized",
  },
};

for (const [name, { fault, kind }] of Object.entries(FATAL)) {
  Deno.test(`nothing is published when ${name}, and the error is ${kind}`, async () => {
    await withModel(async ({ directory, source, download }) => {
      source.fault = fault();
      const error = await assertRejects(() => download({ stallTimeout: 5_000 }), AimError);
      assertEquals(error.kind, kind);
      assertEquals(filesIn(directory).filter((p) => !p.includes(".incomplete") && p !== "empty.txt"), []);
    });
  });
}

Deno.test("a file that fails the digest check twice leaves none of its bytes", async () => {
  await withModel(async ({ directory, source }) => {
    source.fault = (_, right) => flipped(right(), 100);
    const item = itemOf(directory, source.file("big.bin"));
    await assertRejects(
      () => transfer(source, [item], { ...OPTIONS, jobs: 1, root: directory }),
      AimError,
      "digest check",
    );
    assertEquals(filesIn(directory), []);
    assertEquals(bytesAsked(source), 2 * BIG.length);
  });
});

Deno.test("a changed source is reported, and the next run downloads the new content from the start", async () => {
  await withModel(async ({ directory, source, download, items }) => {
    source.fault = ({ index, file }) => {
      if (index < 3) return null;
      throw new SourceChangedError(`${file.path} has another ETag`);
    };
    await assertRejects(() => download(), SourceChangedError);
    source.fault = () => null;
    source.requests.length = 0;
    const changed = items.map((item) => ({ ...item, file: { ...item.file, etag: `${item.file.etag}2` } }));
    const result = await transfer(source, changed, { ...OPTIONS, jobs: 1, root: directory });
    assertWhole(directory);
    assertEquals(result.bytesPresent, 0);
    assertEquals(bytesAsked(source), BIG.length);
  });
});

Deno.test("bytes that an aborted run has downloaded are not requested again", async () => {
  await withModel(async ({ directory, source, download }) => {
    for (let run = 0; run < 6; run++) {
      const stop = new AbortController();
      let moved = 0;
      const reason = new AimError("terminated", "stopped by SIGTERM");
      source.fault = (_, right) =>
        counted(right(), (n) => {
          moved += n;
          if (moved > 700_000) stop.abort(reason);
        });
      assertEquals(await download({ signal: stop.signal }).catch((e) => e), reason);
      assertEquals(filesIn(directory).includes("big.bin"), false);
    }
    source.fault = () => null;
    const before = source.requests.length;
    const result = await download({ jobs: 1 });
    assertWhole(directory);
    assert(result.bytesPresent > 2 * MIB, `${result.bytesPresent} bytes were there`);
    const last = source.requests.slice(before).filter((r) => r.file.path === "big.bin");
    const asked = last.reduce(
      (sum, r) => sum + (r.range === null ? BIG.length : r.range.end - r.range.start),
      0,
    );
    assertEquals(asked, BIG.length - result.bytesPresent);
  });
});

Deno.test("a run that ends at any moment leaves a record that claims only bytes on disk", async () => {
  const random = seeded(30);
  await withModel(async ({ directory, source, download }) => {
    let claimed = 0;
    for (let run = 0; run < 25 && claimed < BIG.length; run++) {
      const stop = new AbortController();
      let left = random() * 600_000;
      source.fault = (_, right) => {
        const body = counted(right(), (n) => {
          left -= n;
          if (left < 0) stop.abort(new Error("enough"));
        });
        return random() < 0.5 ? cutAfter(body, random() * 300_000, "reset") : body;
      };
      await download({ signal: stop.signal }).catch(() => {});
      claimed = 0;
      for (const name of filesIn(directory).filter((path) => path.endsWith(".parts"))) {
        const record = readRecord(Deno.readTextFileSync(join(directory, name)), hostIdentity());
        const bytes = Deno.readFileSync(join(directory, name.replace(/\.parts$/, "")));
        assertEquals(record?.closed, true);
        for (const { start, end } of record?.done ?? []) {
          claimed += end - start;
          assert(
            equal(bytes.subarray(start, end), BIG.subarray(start, end)),
            `bytes ${start} to ${end} differ`,
          );
        }
      }
      assertEquals(filesIn(directory).filter((path) => path.endsWith(".parts")).length <= 1, true);
    }
    assert(claimed > MIB, `only ${claimed} bytes were claimed in the end`);
  });
});

Deno.test("a partial file whose writer may still be running is used only after that writer had time to notice", async () => {
  await withModel(async ({ directory, source, download }) => {
    const stop = new AbortController();
    source.fault = (_, right) => counted(right(), () => stop.abort(new Error("enough")));
    await download({ signal: stop.signal }).catch(() => {});
    const name = filesIn(directory).find((path) => path.endsWith(".parts")) ?? "";
    // As if the writer ran on another host and did not close the record.
    const binding = { revision: OPTIONS.revision, etag: source.file("big.bin").etag, size: BIG.length };
    const writer = { host: "elsewhere", pid: 1, boot: 0, process: null };
    Deno.writeTextFileSync(
      join(directory, name),
      openLine(binding, writer) + flushedLine({ start: 0, end: 1000 }) +
        wroteLine({ start: 1000, end: 2000 }),
    );
    source.fault = () => null;
    const slept: number[] = [];
    const clock = fastClock(200);
    const sleep = (ms: number, signal?: AbortSignal) => (slept.push(ms), clock.sleep(ms, signal));
    const { bytesPresent } = await download({ clock: { ...clock, sleep } });
    assertEquals(bytesPresent, 1000, "only flushed bytes count");
    assertEquals(slept[0], 2_500);
  });
});

Deno.test("an abort ends the transfer even if a connection hangs", async () => {
  await withModel(async ({ download, source }) => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new AimError("interrupted", "stopped by SIGINT")), 50);
    source.fault = ({ signal }) => hangUntilAborted(signal);
    const error = await assertRejects(() => download({ signal: stop.signal }), AimError);
    assertEquals(error.kind, "interrupted");
  });
});

Deno.test("an abort ends the transfer at any time, even before the first request", async () => {
  for (const turns of [0, 1, 2, 3, 5, 8]) {
    await withModel(async ({ download }) => {
      const stop = new AbortController();
      const running = download({ signal: stop.signal });
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      stop.abort(new AimError("interrupted", "stopped by SIGINT"));
      assertEquals((await assertRejects(() => running, AimError)).kind, "interrupted");
    });
  }
});

Deno.test("a symlink planted under a partial file's name is not followed", async () => {
  await withModel(async ({ directory, download }) => {
    const victim = await Deno.makeTempFile();
    await Deno.writeTextFile(victim, "precious");
    await Deno.symlink(victim, join(directory, "big.bin.incomplete"));
    await Deno.symlink(victim, join(directory, "big.bin.aim-00000000.incomplete"));
    await Deno.symlink(victim, join(directory, "big.bin.aim-00000000.incomplete.parts"));
    await Deno.symlink(victim, join(directory, "big.bin"));
    await download();
    assertEquals(await Deno.readTextFile(victim), "precious");
    assertEquals(Deno.lstatSync(join(directory, "big.bin")).isFile, true);
    await Deno.remove(victim);
  });
});

for (const [size, content] of [["small", SMALL], ["large", BIG]] as const) {
  Deno.test(`the error names the one of several ${size} files that cannot get its final name`, async () => {
    await withModel(async ({ directory }) => {
      const source = new FakeSource({ "a.json": SMALL, "b.json": SMALL, "c.json": content });
      const items = source.files.map((file) => itemOf(directory, file));
      Deno.mkdirSync(join(directory, "c.json/inner"), { recursive: true });
      const options = { ...OPTIONS, root: directory };
      const error = await assertRejects(() => transfer(source, items, options), AimError);
      assertEquals(error.kind, "no-space");
      assert(error.message.includes(`${join(directory, "c.json")}:`), error.message);
      assert(!/[ab]\.json/.test(error.message), error.message);
    });
  });
}

Deno.test("a request that rejects with null counts as failed", async () => {
  await withModel(async ({ directory, source, download }) => {
    source.fault = ({ file }) => {
      const isFirst = source.requests.filter((request) => request.file === file).length <= 2;
      return isFirst ? Promise.reject(null) : null;
    };
    await download();
    assertWhole(directory);
  });
});

Deno.test("a partial file that another process takes over is left to that process and downloaded again", async () => {
  await withModel(async ({ directory, source, download }) => {
    let stolen = "";
    source.fault = ({ index }, right) => {
      if (index === 5) {
        const name = filesIn(directory).find((p) => /^big.*\.incomplete$/.test(p)) ?? "";
        stolen = join(directory, "elsewhere");
        Deno.renameSync(join(directory, name), stolen);
      }
      return slow(right());
    };
    await download({ partSize: MIB / 2 });
    await Deno.remove(stolen);
    assertWhole(directory);
  });
});

Deno.test("a partial file that is taken over before hashing starts is downloaded again", async () => {
  await withModel(async ({ directory, source, items }) => {
    const stolen = join(directory, "stolen");
    source.fault = (_, right) => {
      const answer = right();
      const stream = new ReadableStream({
        pull(controller) {
          const name = filesIn(directory).find((one) => one.endsWith(".incomplete"));
          if (name !== undefined && !filesIn(directory).includes("stolen")) {
            Deno.renameSync(join(directory, name), stolen);
          }
          controller.enqueue(BIG.slice(answer.range.start, answer.range.end));
          controller.close();
        },
      }, { highWaterMark: 0 });
      return { ...answer, body: stream };
    };
    const big = items.filter(({ file }) => file.path === "big.bin");
    await transfer(source, big, { ...OPTIONS, root: directory, partSize: 2 * BIG.length });
    assert(equal(Deno.readFileSync(join(directory, "big.bin")), BIG), "big.bin differs");
    assertEquals(filesIn(directory), ["big.bin", "stolen"]);
  });
});

Deno.test("a slow connection does not delay the end: another one takes over the rest of its part", async () => {
  await withModel(async ({ directory, source, download }) => {
    source.fault = ({ file, index }, right) => index === 0 && file.path === "big.bin" ? slow(right()) : null;
    await download();
    assertWhole(directory);
    const inFirst = source.requests.filter(({ file, range }) =>
      file.path === "big.bin" && range !== null && range.start > 0 && range.start < MIB
    );
    assert(inFirst.length > 0, "no connection took over");
    assertEquals(inFirst[0]?.range?.end, MIB);
  });
});

Deno.test("no other connection takes a part of a file that is sent completely because the server ignores ranges", async () => {
  await withModel(async ({ directory, source, items }) => {
    const slowFile = new FakeSource({ "slow.bin": BIG.subarray(0, 2 * MIB) }).file("slow.bin");
    source.fault = ({ file }) => {
      const body = bytesStream(BIG.subarray(0, file.size));
      const answer = { range: { start: 0, end: file.size }, length: file.size, body };
      return file === slowFile ? slow(answer) : answer;
    };
    const big = items.filter(({ file }) => file.path === "big.bin");
    await transfer(source, [...big, itemOf(directory, slowFile)], { ...OPTIONS, root: directory });
    assertEquals(source.requests.filter(({ file }) => file === slowFile).length, 1);
  });
});

Deno.test("bytes of a slow connection beyond its shortened part are not written", async () => {
  await withModel(async ({ directory, source, download }) => {
    source.fault = ({ file, index }, right) => {
      if (index !== 0 || file.path !== "big.bin") return null;
      return slow(wrongFrom(right(), MIB - 300_000));
    };
    await download();
    assertWhole(directory);
    const again = source.requests.filter(({ file, range }) => file.path === "big.bin" && range?.start === 0);
    assertEquals(again.length, 1, "the file was wrong");
  });
});

for (const [pace, times, connections] of [["fast", 0.01, 1], ["slowly", 200, 10]] as const) {
  Deno.test(`if data arrives ${pace}, a transfer limited to 10 connections uses ${connections}`, async () => {
    await withModel(async ({ directory, source, download }) => {
      let [open, most, requests] = [0, 0, 0];
      source.fault = (_, right) => {
        most = Math.max(most, ++open);
        // Slow only until all connections have started.
        return whenLeft(++requests > connections + 2 ? right() : slow(right()), () => open--);
      };
      await download({ jobs: 10, partSize: MIB / 4, clock: fastClock(times) });
      assertWhole(directory);
      assertEquals(most, connections);
    });
  });
}

Deno.test("the bandwidth limit is not exceeded", async () => {
  await withModel(async ({ directory, download }) => {
    const clock = fastClock(50);
    const { elapsed } = await download({ clock, maxBandwidth: MIB });
    assertWhole(directory);
    // The limit allows bursts of 250 ms, and each connection may be one chunk ahead.
    assert(elapsed >= (BIG.length / MIB - 0.25 - 1) * 1000, `it took ${elapsed} ms`);
  });
});

Deno.test("waiting for bandwidth does not count as a stall", async () => {
  await withModel(async ({ directory, download, events }) => {
    await download({ maxBandwidth: MIB / 4, stallTimeout: 1_000, clock: fastClock(400) });
    assertWhole(directory);
    assertEquals(events.filter((e) => e.type === "retry"), []);
  });
});

Deno.test("files with the longest names that the file system allows can be staged", async () => {
  const directory = await Deno.makeTempDir();
  const name = "n".repeat(244);
  const source = new FakeSource({ [name]: BIG });
  await transfer(source, source.files.map((file) => itemOf(directory, file)), {
    ...OPTIONS,
    root: directory,
  });
  assertEquals(filesIn(directory), [name]);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a file that does not fit is refused before the first byte, with its size in the message", async () => {
  const directory = await Deno.makeTempDir();
  const source = new FakeSource({});
  const file = { ...source.file("huge"), size: 2 ** 50, digest: null };
  const error = await assertRejects(
    () => transfer(source, [itemOf(join(directory, "new/deep"), file)], { ...OPTIONS, root: directory }),
    AimError,
  );
  assertEquals(error.kind, "no-space");
  assert(error.message.includes(String(2 ** 50)));
  assertEquals(source.requests, []);
  assertEquals(filesIn(directory), []);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("published files are readable by others, as the umask allows", async () => {
  await withModel(async ({ directory, download }) => {
    await download();
    await Deno.writeTextFile(join(directory, "probe"), "", { mode: 0o644 });
    const modes = ["big.bin", "empty.txt", "probe"].map((name) => Deno.statSync(join(directory, name)).mode);
    assertEquals(new Set(modes).size, 1);
  });
});

type Body = ReturnType<FakeSource["body"]>;

function cutAfter(body: Body, bytes: number, after: "close" | "reset" | "hang"): Body {
  let left = bytes;
  const stream = streamOf(body).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        if (chunk.length <= left) {
          left -= chunk.length;
          return controller.enqueue(chunk);
        }
        controller.enqueue(chunk.subarray(0, left));
        left = 0;
        if (after === "close") return controller.terminate();
        if (after === "reset") return controller.error(new TypeError("connection reset"));
        return new Promise<void>(() => {});
      },
    }),
  );
  return { ...body, body: stream };
}

function flipped(body: Body, at: number): Body {
  let left = at;
  const stream = streamOf(body).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        const copy = chunk.slice();
        if (left >= 0 && left < copy.length) copy[left] = (copy[left] ?? 0) ^ 1;
        left -= copy.length;
        controller.enqueue(copy);
      },
    }),
  );
  return { ...body, body: stream };
}

function counted(body: Body, count: (bytes: number) => void): Body {
  const stream = streamOf(body).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(chunk);
        count(chunk.length);
      },
    }),
  );
  return { ...body, body: stream };
}

function slow(body: Body): Body {
  const stream = streamOf(body).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        controller.enqueue(chunk);
      },
    }),
  );
  return { ...body, body: stream };
}

function followedBy(body: ReadableStream<Uint8Array>, rest: Uint8Array): ReadableStream<Uint8Array> {
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({ flush: (controller) => controller.enqueue(rest) }),
  );
}

function hangUntilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );
}

Deno.test("each of many small files is downloaded intact, even if requests for some of them fail once", async () => {
  const random = seeded(12);
  const contents = Object.fromEntries(
    Array.from(
      { length: 200 },
      (_, n) => [`f${n}.json`, randomBytes(n === 7 ? 0 : 2 + Math.floor(random() * 9000), random)],
    ),
  );
  const faults: Record<string, (body: Body) => Body> = {
    "the body of another file": (body) => ({ ...body, body: bytesStream(new Uint8Array(body.range.end)) }),
    "a body cut short": (body) => ({ ...body, body: bytesStream(new Uint8Array(1)) }),
    "a body too long": (body) => ({ ...body, body: bytesStream(new Uint8Array(body.range.end + 1)) }),
    "a stall": (body) => ({ ...body, body: bytesStream(new Uint8Array(1), { after: "hang" }) }),
    "a lost connection": () => {
      throw new TransientError("lost");
    },
  };
  for (const [name, fault] of Object.entries(faults)) {
    const directory = await Deno.makeTempDir();
    const source = new FakeSource(contents);
    const failed = new Set<string>();
    source.fault = ({ file, index }, right) => {
      if (index % 3 !== 1 || failed.has(file.path)) return null;
      failed.add(file.path);
      return fault(right());
    };
    let moved = 0;
    const { files } = await transfer(source, source.files.map((file) => itemOf(directory, file)), {
      ...OPTIONS,
      root: directory,
      stallTimeout: 20_000,
      onEvent: (event) => event.type === "bytes" ? void (moved += event.bytes) : undefined,
    });
    assertEquals(files.map(({ proof }) => proof), files.map(() => "digest"), name);
    assertEquals(filesIn(directory), source.files.map((file) => file.path as string).sort(), name);
    for (const [path, bytes] of source.contents) {
      assertEquals(Deno.readFileSync(join(directory, path)), bytes, name);
    }
    assert(failed.size > 10, name);
    assertEquals(moved, source.files.reduce((sum, file) => sum + file.size, 0), name);
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a failed request is aborted, so that its connection does not stay open", async () => {
  await withModel(async ({ source, download }) => {
    const failed: AbortSignal[] = [];
    source.fault = ({ file, signal }) => {
      if (failed.length === 2 || !file.path.endsWith(failed.length === 0 ? ".json" : ".bin")) return null;
      failed.push(signal);
      throw new TransientError("status 429 with an unread body");
    };
    await download();
    assertEquals(failed.map(({ aborted }) => aborted), [true, true]);
  });
});

/** Corrupts all bytes from this offset on. */
function wrongFrom(body: Body, offset: number): Body {
  let at = 0;
  const stream = streamOf(body).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(chunk.map((byte, n) => at + n < offset ? byte : byte ^ 1));
        at += chunk.length;
      },
    }),
  );
  return { ...body, body: stream };
}

/** Calls back when the body has been read or cancelled. */
function whenLeft(body: Body, left: () => void): Body {
  const reader = streamOf(body).getReader();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!done) return controller.enqueue(value);
      left();
      controller.close();
    },
    async cancel(reason) {
      left();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return { ...body, body: stream };
}

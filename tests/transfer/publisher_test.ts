// Small files that are proven and written in threads.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { AimError } from "../../src/errors/aim_error.ts";
import { configureLog } from "../../src/log/logger.ts";
import type { FileBody } from "../../src/sources/source.ts";
import { transfer } from "../../src/transfer/transfer.ts";
import type { TransferItem, TransferOptions } from "../../src/transfer/types.ts";
import type { PublishOutcome } from "../../src/transfer/small/publish_protocol.ts";
import { Publisher, type PublishTask } from "../../src/transfer/small/publisher.ts";
import { mountVolume, REFUSED } from "../cache/volumes.ts";
import { FakeSource, fastClock, randomBytes, seeded } from "./fake_source.ts";

configureLog({ level: "CRITICAL" });

const BYTES = randomBytes(5_000, seeded(30));
const SHA256 = createHash("sha256").update(BYTES).digest("hex");

function taskOf(directory: string, name: string, more: Partial<PublishTask> = {}): PublishTask {
  return {
    specs: [{ algorithm: "sha256" }],
    digest: { algorithm: "sha256", hex: SHA256 },
    staging: join(directory, `${name}.incomplete`),
    target: join(directory, name),
    note: null,
    ...more,
  };
}

/** A publisher in a directory of its own, and what it has said. */
async function withPublisher(
  run: (
    tools: {
      directory: string;
      publisher: Publisher<string>;
      outcomes: Map<string, PublishOutcome>;
      settled: (count: number) => Promise<void>;
    },
  ) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const outcomes = new Map<string, PublishOutcome>();
  let settle = () => {};
  const publisher = new Publisher<string>({
    onOutcome(name, outcome, bytes) {
      assertEquals(bytes.length, BYTES.length);
      outcomes.set(name, outcome);
      settle();
    },
    onLost: (_, error) => {
      throw error;
    },
  }, { threads: 2, sync: true });
  const settled = (count: number) =>
    new Promise<void>((resolve) => {
      settle = () => outcomes.size >= count && resolve();
      settle();
    });
  try {
    await run({ directory, publisher, outcomes, settled });
  } finally {
    publisher.close();
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a thread writes what is right, says what is not, and leaves nothing else", async () => {
  await withPublisher(async ({ directory, publisher, outcomes, settled }) => {
    Deno.mkdirSync(join(directory, "folder"));
    Deno.mkdirSync(join(directory, "notes"));
    Deno.writeTextFileSync(join(directory, "notes/old"), "old");
    const note = (name: string) => ({ path: join(directory, "notes", name), head: "commit\netag\n" });
    const long = "ü".repeat(127);
    const tasks: Record<string, PublishTask> = {
      good: taskOf(directory, "good", { note: note("good") }),
      "noted before": taskOf(directory, "noted before", { note: note("old") }),
      unproven: taskOf(directory, "unproven", { digest: null }),
      wrong: taskOf(directory, "wrong", { digest: { algorithm: "sha256", hex: "00" } }),
      folder: taskOf(directory, "folder"),
      "in a new folder": taskOf(directory, "in a new folder", { target: join(directory, "new/file") }),
      "no folder": taskOf(directory, "no folder", { staging: join(directory, "none/file.incomplete") }),
      [long]: taskOf(directory, long),
    };
    for (const [name, task] of Object.entries(tasks)) assert(await publisher.put(name, task, BYTES));
    publisher.flush();
    await settled(Object.keys(tasks).length);
    assertEquals(
      Object.fromEntries([...outcomes].map(([name, { kind }]) => [name, kind])),
      {
        good: "written",
        "noted before": "written",
        unproven: "written",
        wrong: "different",
        folder: "unwritten",
        "in a new folder": "written",
        "no folder": "unwritten",
        [long]: "written",
      },
    );
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    assertEquals(
      names.sort(),
      ["folder", "good", long, "new", "noted before", "notes", "unproven"].sort(),
    );
    for (const name of ["good", "unproven", "new/file", long]) {
      assertEquals(Deno.readFileSync(join(directory, name)), new Uint8Array(BYTES));
    }
    const { good, "noted before": before } = Object.fromEntries(outcomes);
    assert(good?.kind === "written" && good.noted !== null);
    assertEquals(
      Deno.readTextFileSync(join(directory, "notes/good")),
      `commit\netag\n${good.noted / 1000}\n`,
    );
    assertEquals(before?.kind === "written" && before.noted, null);
    assertEquals(Deno.readTextFileSync(join(directory, "notes/old")), "old");
  });
});

Deno.test("what waits to be written in threads is bounded, and nothing is begun once it is stopped", async () => {
  await withPublisher(async ({ directory, publisher, outcomes }) => {
    let taken = 0;
    const puts = Array.from({ length: 2_000 }, async (_, n) => {
      const was = await publisher.put(`f${n}`, taskOf(directory, `f${n}`), BYTES);
      if (was) taken++;
      return was;
    });
    await Promise.resolve();
    // Two threads of four batches of sixteen, and the one that is filled.
    assert(taken <= 2 * 4 * 16 + 16, `${taken} files`);
    const stopped = publisher.stop();
    assertEquals(new Set(await Promise.all(puts)), new Set([true, false]));
    await stopped;
    const there = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    const written = [...outcomes].filter(([, { kind }]) => kind === "written").map(([name]) => name).sort();
    assertEquals(there, written);
    assert(written.length < taken);
  });
});

Deno.test("files that are lost with a thread are told, and no more are taken", async () => {
  const directory = await Deno.makeTempDir();
  const lost = Promise.withResolvers<string[]>();
  const names: string[] = [];
  const publisher = new Publisher<string>({
    onOutcome: (name) => lost.reject(new Error(`${name} was not lost`)),
    onLost(name) {
      if (names.push(name) === 2) lost.resolve(names);
    },
  }, { threads: 2, sync: false });
  try {
    const unknown = [{ algorithm: "none" }] as unknown as PublishTask["specs"];
    await publisher.put("first", taskOf(directory, "first", { specs: unknown }), BYTES);
    await publisher.put("second", taskOf(directory, "second"), BYTES);
    publisher.flush();
    assertEquals(await lost.promise, ["first", "second"]);
    assertEquals(await publisher.put("third", taskOf(directory, "third"), BYTES), false);
    assertEquals([...Deno.readDirSync(directory)], []);
  } finally {
    publisher.close();
    await Deno.remove(directory, { recursive: true });
  }
});

const OPTIONS: TransferOptions = {
  jobs: 4,
  partSize: 1024 * 1024,
  maxBandwidth: null,
  stallTimeout: 120_000,
  verify: true,
  revision: "c0ffee",
  signal: new AbortController().signal,
  // To this clock every file takes long to write: threads do it.
  clock: fastClock(200),
  random: seeded(1),
};

/** A source that is asked for small files together. */
class Together extends FakeSource {
  /** Paths of files whose bytes are another's when they are asked for together. */
  wrong = new Set<string>();

  async *readAll(files: readonly TransferItem["file"][]): AsyncGenerator<FileBody> {
    for (const file of files) {
      await Promise.resolve();
      yield {
        file,
        body: this.body(this.wrong.has(file.path) ? "wrong" : file.path, { start: 0, end: 900 }),
      };
    }
  }
}

const FILES = Object.fromEntries(
  Array.from({ length: 400 }, (_, n) => [`d${n % 40}/f${n}`, randomBytes(900, seeded(n))]),
);

function makeSource(): Together {
  return new Together({ ...FILES, wrong: randomBytes(900, seeded(1_000)) });
}

function itemsOf(directory: string, source: FakeSource): TransferItem[] {
  Deno.mkdirSync(join(directory, "notes"), { recursive: true });
  return source.files.filter(({ path }) => path !== "wrong").map((file) => ({
    file,
    staging: join(directory, `${file.path}.incomplete`),
    compute: [],
    target: () => join(directory, file.path),
    note: { path: join(directory, "notes", file.path.replace("/", "-")), head: `${file.etag}\n` },
  }));
}

function assertAllThere(directory: string): void {
  for (const [path, bytes] of Object.entries(FILES)) {
    assertEquals(Deno.readFileSync(join(directory, path)), new Uint8Array(bytes), path);
  }
  const folders = [...Deno.readDirSync(directory)].map(({ name }) => name);
  assertEquals(folders.flatMap((name) => [...Deno.readDirSync(join(directory, name))]).filter(isStaged), []);
}

function isStaged({ name }: Deno.DirEntry): boolean {
  return name.includes("incomplete");
}

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("files written in threads have notes, and the result says from when", async () => {
  await inDirectory(async (directory) => {
    const source = makeSource();
    const { files } = await transfer(source, itemsOf(directory, source), OPTIONS);
    assertAllThere(directory);
    const noted = files.filter((file) => file.noted !== null);
    assert(noted.length > 300, `${noted.length} notes`);
    for (const { file, noted: time } of noted) {
      const text = Deno.readTextFileSync(join(directory, "notes", file.path.replace("/", "-")));
      assertEquals(text, `${file.etag}\n${(time ?? 0) / 1000}\n`);
    }
  });
});

Deno.test("a file that a thread finds wrong is fetched again, and given up when it stays wrong", async () => {
  await inDirectory(async (directory) => {
    const source = makeSource();
    source.wrong.add("d7/f367");
    let moved = 0;
    await transfer(source, itemsOf(directory, source), {
      ...OPTIONS,
      onEvent: (event) => event.type === "bytes" ? void (moved += event.bytes) : undefined,
    });
    assertAllThere(directory);
    assertEquals(moved, 400 * 900);
    source.fault = ({ file }) =>
      file.path === "d7/f367" ? source.body("wrong", { start: 0, end: 900 }) : null;
    const error = await assertRejects(
      () => transfer(source, itemsOf(join(directory, "again"), source), OPTIONS),
      AimError,
    );
    assertEquals(error.kind, "integrity");
    assertEquals(
      [...Deno.readDirSync(join(directory, "again/d7"))].filter(({ name }) => /f367/.test(name)),
      [],
    );
  });
});

Deno.test("files are there although another process takes what threads are writing", async () => {
  await inDirectory(async (directory) => {
    const source = makeSource();
    const thief = setInterval(() => {
      for (let n = 0; n < 40; n++) {
        try {
          for (const entry of Deno.readDirSync(join(directory, `d${n}`))) {
            if (isStaged(entry)) Deno.removeSync(join(directory, `d${n}`, entry.name));
          }
        } catch { /* not there yet, or no more */ }
      }
    }, 1);
    try {
      await transfer(source, itemsOf(directory, source), OPTIONS);
    } finally {
      clearInterval(thief);
    }
    assertAllThere(directory);
  });
});

Deno.test("a transfer that is stopped leaves no thread at work and no file half done", async () => {
  await inDirectory(async (directory) => {
    const source = makeSource();
    const abort = new AbortController();
    let done = 0;
    const running = transfer(source, itemsOf(directory, source), {
      ...OPTIONS,
      signal: abort.signal,
      onEvent(event) {
        if (event.type === "file" && event.state === "done" && ++done === 100) abort.abort(new Error("stop"));
      },
    });
    await assertRejects(() => running, Error, "stop");
    const list = () =>
      [...Deno.readDirSync(directory)].flatMap(({ name }) => [...Deno.readDirSync(join(directory, name))]);
    const after = list();
    assertEquals(after.filter(isStaged), []);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(list().length, after.length);
  });
});

Deno.test({
  name: "a file system without room ends the transfer as such, and threads leave nothing half written",
  ignore: REFUSED.tmpfs !== null,
  async fn() {
    // Room in bytes, but not for as many files.
    await using volume = await mountVolume("tmpfs", await Deno.makeTempDir(), "size=64m,nr_inodes=300");
    const source = makeSource();
    const error = await assertRejects(
      () => transfer(source, itemsOf(volume.path, source), OPTIONS),
      AimError,
    );
    assertEquals(error.kind, "no-space");
    for (const { name } of Deno.readDirSync(volume.path)) {
      assertEquals([...Deno.readDirSync(join(volume.path, name))].filter(isStaged), []);
    }
  },
});

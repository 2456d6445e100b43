import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { AimError } from "../../src/errors/aim_error.ts";
import { configureLog } from "../../src/log/logger.ts";
import { hostIdentity, type ProcessIdentity } from "../../src/transfer/lease/host_identity.ts";
import { liveHolder, withLease } from "../../src/transfer/lease/lease.ts";
import { fastClock } from "./fake_source.ts";

configureLog({ level: "CRITICAL" });

const NEVER = new AbortController().signal;
const FAST = { signal: NEVER, clock: fastClock(50) };

/** A PID that no process can have. */
const DEAD_PID = 2 ** 22 + 1;

async function withDirectory(run: (directory: string, lock: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(join(directory, "org/model"), join(directory, "org/model/.aim/lock"));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Creates the lock that a dead process would leave. */
function plantLock(
  lock: string,
  holder: { host?: string; pid?: number; process?: ProcessIdentity },
): void {
  Deno.mkdirSync(join(lock, ".."), { recursive: true });
  const boot = Math.round(Date.now() / 1000 - Deno.osUptime());
  const since = "2026-01-01T00:00:00.000Z";
  Deno.writeTextFileSync(
    lock,
    JSON.stringify({
      host: Deno.hostname(),
      pid: Deno.pid,
      boot,
      since,
      nonce: "another",
      beat: 3,
      ...holder,
    }),
  );
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("a lease exists while it is used and is removed afterwards, even after a failure", async () => {
  await withDirectory(async (directory, lock) => {
    assertEquals(await withLease(directory, FAST, () => Promise.resolve(exists(lock))), true);
    assertEquals(exists(lock), false);
    await assertRejects(() => withLease(directory, FAST, () => Promise.reject(new Error("no"))), Error, "no");
    assertEquals([...Deno.readDirSync(join(directory, ".aim"))], []);
  });
});

Deno.test("only one of many waiting processes holds the lease at a time", async () => {
  await withDirectory(async (directory) => {
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from(
        { length: 8 },
        () =>
          withLease(directory, { signal: NEVER, clock: fastClock(20) }, async () => {
            most = Math.max(most, ++inside);
            await new Promise((resolve) => setTimeout(resolve, 10));
            inside--;
          }),
      ),
    );
    assertEquals(most, 1);
  });
});

Deno.test("a waiting process is told the holder's PID, host and start time", async () => {
  await withDirectory(async (directory, lock) => {
    plantLock(lock, { host: "elsewhere", pid: 42 });
    const told: string[] = [];
    await withLease(
      directory,
      { ...FAST, onWait: (holder) => void told.push(holder) },
      () => Promise.resolve(),
    );
    assertEquals(told[0], "process 42 on elsewhere (since 2026-01-01T00:00:00.000Z)");
  });
});

Deno.test("the lease of a silent holder on another host is taken over only after the lease time", async () => {
  await withDirectory(async (directory, lock) => {
    plantLock(lock, { host: "elsewhere" });
    const started = FAST.clock.now();
    const waited = await withLease(directory, FAST, () => Promise.resolve(FAST.clock.now() - started));
    assert(waited >= 20_000, `it waited ${waited} ms`);
  });
});

Deno.test("the lease of a holder on this host without a process is taken over much sooner", async () => {
  await withDirectory(async (directory, lock) => {
    plantLock(lock, { pid: DEAD_PID });
    const started = FAST.clock.now();
    const waited = await withLease(directory, FAST, () => Promise.resolve(FAST.clock.now() - started));
    assert(waited >= 2_500 && waited < 15_000, `it waited ${waited} ms`);
  });
});

Deno.test("the lease of a holder that is known to be dead is taken over at once, even if its PID was reused", async () => {
  const { process } = hostIdentity();
  assert(process !== null);
  const gone = [
    { pid: DEAD_PID, process },
    { pid: Deno.ppid, process: { ...process, started: process.started + 1 } },
  ];
  for (const holder of gone) {
    await withDirectory(async (directory, lock) => {
      plantLock(lock, holder);
      assertEquals(await liveHolder(directory), null);
      const started = FAST.clock.now();
      const waited = await withLease(directory, FAST, () => Promise.resolve(FAST.clock.now() - started));
      assert(waited < 2_000, `it waited ${waited} ms`);
    });
  }
});

Deno.test("a holder in another container or from before a reboot may be alive: its lease is kept for the lease time", async () => {
  const { process } = hostIdentity();
  assert(process !== null);
  for (const other of [{ ...process, namespace: "pid:[1]" }, { ...process, bootId: "another" }]) {
    await withDirectory(async (directory, lock) => {
      plantLock(lock, { host: "elsewhere", pid: DEAD_PID, process: other });
      const started = FAST.clock.now();
      const waited = await withLease(directory, FAST, () => Promise.resolve(FAST.clock.now() - started));
      assert(waited >= 20_000, `it waited ${waited} ms`);
    });
  }
});

Deno.test("the lease of a running process without a heartbeat is taken over: its PID may have been reused", async () => {
  await withDirectory(async (directory, lock) => {
    plantLock(lock, { pid: Deno.ppid });
    await withLease(directory, FAST, () => Promise.resolve());
  });
});

Deno.test("a holder with a heartbeat keeps its lease, even if its process is not visible", async () => {
  await withDirectory(async (directory, lock) => {
    plantLock(lock, { pid: DEAD_PID });
    const stop = new AbortController();
    // The lease then times out after 0.4 s: on a busy machine, a 50 ms heartbeat may be over 100 ms late.
    const clock = fastClock(6);
    let beat = 0;
    const beating = setInterval(() => {
      const text = Deno.readTextFileSync(lock);
      Deno.writeTextFileSync(lock, JSON.stringify({ ...JSON.parse(text), beat: ++beat }));
    }, 50);
    setTimeout(() => stop.abort(new AimError("interrupted", "enough")), 1500);
    const error = await withLease(
      directory,
      { clock, signal: stop.signal },
      () => Promise.reject(new Error("taken")),
    )
      .catch((e) => e);
    clearInterval(beating);
    assertEquals(error.message, "enough");
  });
});

Deno.test("an empty or damaged lock is taken over after the lease time", async () => {
  for (const text of ["", "{", '{"host":1}']) {
    await withDirectory(async (directory, lock) => {
      plantLock(lock, {});
      Deno.writeTextFileSync(lock, text);
      const started = FAST.clock.now();
      const waited = await withLease(directory, FAST, () => Promise.resolve(FAST.clock.now() - started));
      assert(waited >= 20_000, `it waited ${waited} ms`);
    });
  }
});

Deno.test("only one of many processes that take over from a dead holder has the lease at a time", async () => {
  await withDirectory(async (directory, lock) => {
    plantLock(lock, { pid: DEAD_PID });
    let inside = 0;
    let most = 0;
    let ran = 0;
    await Promise.all(
      Array.from(
        { length: 5 },
        () =>
          withLease(directory, { signal: NEVER, clock: fastClock(10) }, async () => {
            most = Math.max(most, ++inside);
            ran++;
            await new Promise((resolve) => setTimeout(resolve, 20));
            inside--;
          }),
      ),
    );
    assertEquals({ most, ran }, { most: 1, ran: 5 });
  });
});

Deno.test("a holder recreates its lock after it was deleted", async () => {
  await withDirectory(async (directory, lock) => {
    await withLease(directory, FAST, async (signal) => {
      Deno.removeSync(lock);
      for (let n = 0; n < 100 && !exists(lock); n++) await new Promise((resolve) => setTimeout(resolve, 20));
      assert(exists(lock));
      assertEquals(signal.aborted, false);
    });
  });
});

Deno.test("a holder that loses its lease is stopped, waits and runs again", async () => {
  await withDirectory(async (directory, lock) => {
    let runs = 0;
    await withLease(directory, FAST, async (signal) => {
      if (++runs > 1) return;
      Deno.removeSync(lock);
      plantLock(lock, { host: "elsewhere" });
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    assertEquals(runs, 2);
  });
});

for (const target of ["nowhere", "lock"]) {
  Deno.test(`a lock that is a symlink to ${target === "lock" ? "itself" : target} is an error at once`, async () => {
    await withDirectory(async (directory, lock) => {
      Deno.mkdirSync(join(lock, ".."), { recursive: true });
      Deno.symlinkSync(target, lock);
      const error = await assertRejects(() => withLease(directory, FAST, () => Promise.resolve()), AimError);
      assertEquals(error.kind, "no-space");
      assertEquals(Deno.readLinkSync(lock), target);
    });
  });
}

Deno.test("an abort ends waiting with the signal's reason", async () => {
  await withDirectory(async (directory, lock) => {
    plantLock(lock, { host: "elsewhere" });
    const stop = new AbortController();
    const waiting = withLease(directory, { signal: stop.signal }, () => Promise.resolve());
    stop.abort(new AimError("terminated", "stopped"));
    assertEquals((await assertRejects(() => waiting, AimError)).kind, "terminated");
    assert(exists(lock), "the holder's lock was removed");
  });
});

import { assert, assertEquals } from "@std/assert";
import { backoff } from "../../src/sources/transport/backoff.ts";
import { connectionsHelp } from "../../src/transfer/large/connections_help.ts";
import { tokenBucket } from "../../src/transfer/token_bucket.ts";

Deno.test("the backoff doubles up to its limit, and jitter reduces it by at most half", () => {
  for (let failures = 1; failures < 20; failures++) {
    const full = Math.min(15_000, 500 * 2 ** (failures - 1));
    assertEquals(backoff(failures, 0, 500, null), full / 2);
    assert(backoff(failures, 0.999999, 500, null) <= full);
  }
});

Deno.test("the wait is never shorter than the server's Retry-After", () => {
  assert(backoff(1, 0, 500, 7_000) >= 7_000);
  assert(backoff(12, 0, 500, 1) >= 7_500);
});

Deno.test("more connections help only if neither the CPU nor the bandwidth limit is exhausted", () => {
  const second = { elapsed: 1000, cores: 2, limit: null };
  assert(connectionsHelp({ ...second, bytes: 0 }));
  assert(connectionsHelp({ ...second, bytes: 300e6 }));
  assert(!connectionsHelp({ ...second, bytes: 500e6 }));
  assert(connectionsHelp({ ...second, bytes: 700e6, cores: 4 }));
  assert(connectionsHelp({ ...second, bytes: 700e6, elapsed: 2000 }));
  assert(connectionsHelp({ ...second, bytes: 4e6, limit: 10e6 }));
  assert(!connectionsHelp({ ...second, bytes: 6e6, limit: 10e6 }));
});

Deno.test("a rate limit applies to all its users together", async () => {
  let now = 0;
  const clock = { now: () => now, sleep: (ms: number) => Promise.resolve(void (now += ms)) };
  const take = tokenBucket(1000, clock);
  const { signal } = new AbortController();
  let taken = 0;
  for (let n = 1; n <= 300; n++) {
    const bytes = (n * 37) % 90;
    await take(bytes, signal);
    taken += bytes;
    assert(taken <= now + 250 + 90, `${taken} bytes after ${now} ms`);
  }
  assert(now < taken, `only ${taken} bytes after ${now} ms`);
});

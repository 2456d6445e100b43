import { assert, assertEquals } from "@std/assert";
import { divisionOf } from "../../src/transfer/large/division.ts";
import { seeded } from "./fake_source.ts";

const MIB = 1024 * 1024;

Deno.test("the part that would finish last is split in the middle of its missing bytes", () => {
  const fast = { start: 0, at: 8 * MIB, end: 16 * MIB, elapsed: 2_000 };
  const slow = { start: 16 * MIB, at: 18 * MIB, end: 32 * MIB, elapsed: 2_000 };
  assertEquals(divisionOf([fast, slow]), { part: slow, at: 25 * MIB });
  assertEquals(divisionOf([slow, fast]), { part: slow, at: 25 * MIB });
});

Deno.test("a part that has no bytes yet is split first", () => {
  const slow = { start: 0, at: 1, end: 16 * MIB, elapsed: 5_000 };
  const none = { start: 16 * MIB, at: 16 * MIB, end: 20 * MIB, elapsed: 600 };
  assertEquals(divisionOf([slow, none]), { part: none, at: 18 * MIB });
});

Deno.test("a part that is almost done, small or just started is not split", () => {
  assertEquals(divisionOf([]), null);
  assertEquals(divisionOf([{ start: 0, at: 8 * MIB, end: 16 * MIB, elapsed: 999 }]), null);
  assertEquals(divisionOf([{ start: 0, at: MIB, end: MIB + 524_287, elapsed: 60_000 }]), null);
  assertEquals(divisionOf([{ start: 0, at: 0, end: 16 * MIB, elapsed: 499 }]), null);
  assertEquals(divisionOf([{ start: 0, at: 16 * MIB, end: 16 * MIB, elapsed: 60_000 }]), null);
});

Deno.test("a split leaves missing bytes in both halves and includes no downloaded ones", () => {
  const random = seeded(7);
  let splits = 0;
  for (let round = 0; round < 1000; round++) {
    const start = Math.floor(random() * 1e12);
    const at = start + Math.floor(random() * 1e7);
    const end = at + Math.floor(random() * 1e8);
    const division = divisionOf([{ start, at, end, elapsed: Math.floor(random() * 1e5) }]);
    if (division === null) continue;
    splits++;
    assert(division.at - at >= 256 * 1024 && end - division.at >= 256 * 1024);
    assert(Math.abs((end - division.at) - (division.at - at)) <= 2 * 65536);
  }
  assert(splits > 500, `only ${splits} of 1000 parts were split`);
});

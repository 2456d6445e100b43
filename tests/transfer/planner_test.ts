import { assert, assertEquals } from "@std/assert";
import { partSizeFor, partsOf, type PlannedFile, planOrder, wholeLimit } from "../../src/transfer/planner.ts";
import { addRange, gaps, prefixEnd, rangeBytes } from "../../src/transfer/ranges.ts";
import type { ByteRange } from "../../src/sources/manifest.ts";
import { seeded } from "./fake_source.ts";

const MIB = 1024 * 1024;
const BUDGET = { jobs: 4, partSize: 8 * MIB };

Deno.test("parts cover exactly the missing bytes, in file order, none larger than the part size", () => {
  const random = seeded(4);
  for (let round = 0; round < 200; round++) {
    const size = Math.floor(random() * 100);
    let done: { start: number; end: number }[] = [];
    for (let n = Math.floor(random() * 5); n > 0; n--) {
      const start = Math.floor(random() * size);
      done = addRange(done, { start, end: Math.min(size, start + Math.floor(random() * 20)) });
    }
    const partSize = 1 + Math.floor(random() * 30);
    const parts = [...partsOf({ size, done }, partSize)];
    assert(parts.every((p) => p.end > p.start && p.end - p.start <= partSize));
    // Parts start and end at multiples of the part size, except next to downloaded bytes.
    const ends = new Set([0, size, ...done.flatMap(({ start, end }) => [start, end])]);
    for (const at of parts.flatMap((p) => [p.start, p.end])) assert(ends.has(at) || at % partSize === 0);
    assertEquals(parts, parts.toSorted((a, b) => a.start - b.start));
    const all = parts.reduce((ranges, part) => addRange(ranges, part), done);
    assertEquals(rangeBytes(parts) + rangeBytes(done), size);
    assertEquals(all, size === 0 ? [] : [{ start: 0, end: size }]);
  }
});

Deno.test("ranges behave as a set of bytes: sorted, disjoint and never adjacent", () => {
  const random = seeded(5);
  for (let round = 0; round < 200; round++) {
    const bytes = new Array<boolean>(40).fill(false);
    let ranges: { start: number; end: number }[] = [];
    for (let n = 0; n < 8; n++) {
      const start = Math.floor(random() * 40);
      const end = Math.min(40, start + Math.floor(random() * 10));
      bytes.fill(true, start, end);
      ranges = addRange(ranges, { start, end });
    }
    assertEquals(rangeBytes(ranges), bytes.filter(Boolean).length);
    assert(ranges.every((r, i) => r.end > r.start && (ranges[i - 1]?.end ?? -1) < r.start));
    assertEquals(prefixEnd(ranges), bytes.indexOf(false) < 0 ? 40 : bytes.indexOf(false));
    assertEquals(rangeBytes(gaps(ranges, 40)), 40 - rangeBytes(ranges));
  }
});

Deno.test("larger files come first, each with its parts in order", () => {
  const files = plain([3 * MIB, 20 * MIB, 100, 9 * MIB, 0]);
  const order = [...planOrder(files, BUDGET)];
  const parts = order.flatMap(({ file, range }) => range === null ? [] : [{ file, range }]);
  assertEquals([...new Set(parts.map((u) => files.indexOf(u.file)))], [1, 3, 0]);
  for (const index of [1, 3, 0]) assertCovers(parts, files[index]);
  assertEquals(order.filter((u) => u.range === null).map((u) => files.indexOf(u.file)), [2, 4]);
});

Deno.test("small files are spread evenly between the parts of large ones", () => {
  const files = plain([80 * MIB, ...new Array<number>(100).fill(1000)]);
  const order = [...planOrder(files, BUDGET)];
  let bytes = 0;
  let small = 0;
  for (const unit of order) {
    if (unit.range !== null) bytes += unit.range.end - unit.range.start;
    else small++;
    // In proportion to the bytes planned so far.
    assert(Math.abs(small / 100 - bytes / (80 * MIB)) <= 0.17, `${small} after ${bytes}`);
  }
  assertEquals(small, 100);
});

Deno.test("files that are downloaded in memory fit the budget together", () => {
  for (const jobs of [1, 2, 16, 64, 256]) {
    assert(wholeLimit({ jobs, partSize: 32 * MIB }) * jobs <= 32 * MIB);
  }
});

Deno.test("parts are larger if several files are large, and smaller if a connection would otherwise have none", () => {
  assertEquals(partSizeFor([], 16), 2 * MIB);
  assertEquals(partSizeFor([8 * MIB], 4), 2 * MIB);
  assertEquals(partSizeFor([32 * MIB], 4), 8 * MIB);
  assertEquals(partSizeFor([2048 * MIB, 100, 64 * MIB, 64 * MIB, 64 * MIB], 16), 16 * MIB);
  assertEquals(partSizeFor(new Array<number>(4).fill(65 * MIB), 4), 64 * MIB);
  assertEquals(partSizeFor(new Array<number>(4).fill(65 * MIB), 16), 17 * MIB);
});

Deno.test("a complete file is not planned again", () => {
  const order = [...planOrder([{ size: 20 * MIB, done: [{ start: 0, end: 20 * MIB }] }], BUDGET)];
  assertEquals(order, []);
});

/** Asserts that the parts of a file cover it from start to end without gaps. */
function assertCovers(
  parts: readonly { file: PlannedFile; range: ByteRange }[],
  file: PlannedFile | undefined,
): void {
  let at = 0;
  for (const { range } of parts.filter((part) => part.file === file)) {
    assertEquals(range.start, at);
    at = range.end;
  }
  assertEquals(at, file?.size);
}

function plain(sizes: readonly number[]): PlannedFile[] {
  return sizes.map((size) => ({ size, done: [] }));
}

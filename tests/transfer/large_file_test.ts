import { assertEquals } from "@std/assert";
import { reachedBy } from "../../src/transfer/large/large_files.ts";
import { addRange } from "../../src/transfer/ranges.ts";
import { seeded } from "./fake_source.ts";

Deno.test("a file is on disk up to the first gap between finished parts and parts in progress", () => {
  const random = seeded(8);
  for (let round = 0; round < 500; round++) {
    const bytes = new Array<boolean>(60).fill(false);
    let done: { start: number; end: number }[] = [];
    const flows: { range: { start: number }; at: number }[] = [];
    for (let n = Math.floor(random() * 10); n > 0; n--) {
      const start = Math.floor(random() * 60);
      const end = Math.min(60, start + Math.floor(random() * 15));
      if (random() < 0.5) done = addRange(done, { start, end });
      else flows.push({ range: { start }, at: end });
      bytes.fill(true, start, end);
    }
    const gap = bytes.indexOf(false);
    assertEquals(reachedBy(done, flows), gap < 0 ? 60 : gap);
  }
});

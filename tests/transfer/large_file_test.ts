import { assertEquals } from "@std/assert";
import { type FlowState, reachedBy } from "../../src/transfer/large/large_file.ts";
import { addRange } from "../../src/transfer/ranges.ts";
import { seeded } from "./fake_source.ts";

Deno.test("a file reaches as far as done parts and living connections leave no gap", () => {
  const random = seeded(8);
  for (let round = 0; round < 500; round++) {
    const bytes = new Array<boolean>(60).fill(false);
    let done: { start: number; end: number }[] = [];
    const flows = new Set<
      { file: string; range: { start: number; end: number }; at: number; state: Pick<FlowState, "kind"> }
    >();
    for (let n = Math.floor(random() * 10); n > 0; n--) {
      const start = Math.floor(random() * 60);
      const end = Math.min(60, start + Math.floor(random() * 15));
      const dead = random() < 0.2;
      if (random() < 0.5) done = addRange(done, { start, end });
      else {flows.add({
          file: "this",
          range: { start, end: 60 },
          at: end,
          state: { kind: dead ? "dropped" : "flowing" },
        });}
      flows.add({ file: "another", range: { start: end, end: 60 }, at: 60, state: { kind: "flowing" } });
      if (!dead || done.some((range) => range.start <= start && range.end >= end)) {
        bytes.fill(true, start, end);
      }
    }
    for (const { start, end } of done) bytes.fill(true, start, end);
    const gap = bytes.indexOf(false);
    assertEquals(reachedBy("this", done, flows), gap < 0 ? 60 : gap);
  }
});

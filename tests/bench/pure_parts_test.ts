import { assert, assertEquals, assertThrows } from "@std/assert";
import { compare, isMet } from "./comparison.ts";
import { flameGraph, frames } from "./flame_graph.ts";
import { drawPlot } from "./plot.ts";
import { median, straightLine } from "./statistics.ts";

const run = (wall: number) => ({ wall, cpu: wall / 2, memory: 100 });

Deno.test("the median of unsorted values is the middle one or the mean of the middle two", () => {
  assertEquals([median([3]), median([9, 1, 2]), median([4, 1, 3, 2])], [3, 2, 2.5]);
  assertThrows(() => median([]), RangeError);
});

Deno.test("a regression through points on a line has a coefficient of determination of 1", () => {
  const { slope, offset, explained } = straightLine([[0, 1], [1, 3], [5, 11]]);
  assertEquals([slope, offset, explained].map((value) => Math.round(value * 1e9) / 1e9), [2, 1, 1]);
  assert(straightLine([[0, 0], [1, 5], [2, 0]]).explained < 0.5);
});

Deno.test("a contender is compared by median with the best of the others that ran", () => {
  const figures = new Map([["aim", [run(1), run(50), run(2)]], ["a", [run(8)]], ["b", [run(4)]], [
    "gone",
    [],
  ]]);
  const claim = {
    work: "w",
    subject: "aim",
    against: ["a", "b", "gone"],
    figure: "wall" as const,
    limit: 0.5,
  };
  const weighed = compare(claim, figures);
  assertEquals([weighed?.best, weighed?.mine, weighed?.theirs, weighed?.ratio], ["b", 2, 4, 0.5]);
  assertEquals(weighed === null ? null : isMet(weighed), true);
  assertEquals(weighed === null ? null : isMet({ ...weighed, ratio: 0.51 }), false);
  assertEquals(compare({ ...claim, against: ["gone"] }, figures), null);
});

Deno.test("a plot is well-formed, has a point for each value and escapes its text", () => {
  for (const logarithmic of [false, true]) {
    const svg = drawPlot({
      title: "a < b",
      x: "files",
      y: "s",
      logarithmic,
      series: [{ name: "aim", points: [[1, 0.1], [10, 1], [100, 10]] }, { name: "&", points: [[1, 1]] }],
    });
    assertEquals(svg.match(/<circle /g)?.length, 4);
    assert(svg.includes("a &lt; b") && svg.includes(">&amp;<") && !svg.includes("NaN"));
  }
});

Deno.test("a flame graph merges samples of the same function with the same callers", () => {
  const node = (id: number, functionName: string, children: number[]) => ({
    id,
    callFrame: { functionName, url: "file:///a/b.ts" },
    children,
  });
  const profile = {
    nodes: [node(1, "(root)", [2, 3]), node(2, "read", [4]), node(3, "read", []), node(4, "<op>", [])],
    samples: [2, 3, 4, 4],
    timeDeltas: [1000, 2000, 3000, 4000],
  };
  const root = frames(profile);
  assertEquals([root.name, root.total, root.children.size], ["(root) b.ts", 10_000, 1]);
  const read = root.children.get("read b.ts");
  assertEquals([read?.total, read?.children.get("<op> b.ts")?.total], [10_000, 7000]);
  const svg = flameGraph(root, "a & b");
  assert(svg.includes("a &amp; b: 10 ms") && svg.includes("&lt;op> b.ts: 7.0 ms"));
});

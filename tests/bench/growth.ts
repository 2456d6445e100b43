import { type MeasureOptions, runOnce } from "./measure.ts";
import { drawPlot, type Series } from "./plot.ts";
import { downloads } from "./rows.ts";
import { median } from "./statistics.ts";
import type { World } from "./world.ts";

const MIB = 2 ** 20;

/**
 * Plots the time of a download by number of files, by size, and by connections on a short and a long link.
 * Writes `growth-files.svg`, `growth-size.svg`, `growth-jobs.svg` and `growth-jobs-far.svg` next to this
 * file, and prints the points.
 */
export async function drawPlots(
  world: World,
  options: MeasureOptions,
  names: readonly string[],
): Promise<void> {
  const runs = Math.min(options.runs, 3);
  for (const [name, plot] of Object.entries(PLOTS)) {
    if (names.length === 0 || names.includes(name)) await plot(world, runs);
  }
}

/** The plots by name. */
export const PLOTS: Readonly<Record<string, (world: World, runs: number) => Promise<void>>> = {
  async files(world, runs) {
    const counts = world.quick ? [1, 10, 100, 1000] : [1, 10, 100, 1000, 10_000];
    const files = await points(
      counts,
      runs,
      (count) => downloads(world, { count, bytes: 16 * 1024, flags: [] }),
    );
    await draw("growth-files", "16 KiB files from the hub", "files", [{ name: "aim", points: files }], true);
  },
  async size(world, runs) {
    const sizes = world.quick ? [0.1, 0.2, 0.5] : [0.1, 0.2, 0.5, 1, 2, 5, 10, 20];
    const size = await points(
      sizes,
      runs,
      (gib) => downloads(world, { count: 1, bytes: Math.round(gib * 1024) * MIB, flags: [] }),
    );
    await draw("growth-size", "one file from the hub, to disk", "GiB", [{ name: "aim", points: size }], true);
  },
  async jobs(world, runs) {
    const bytes = world.quick ? 256 * MIB : 1024 * MIB;
    await sweep(world, runs, "growth-jobs", `one file of ${bytes / MIB} MiB`, bytes, false);
  },
  async "jobs-far"(world, runs) {
    const bytes = world.quick ? 64 * MIB : 256 * MIB;
    await sweep(world, runs, "growth-jobs-far", `one file of ${bytes / MIB} MiB over 100 ms`, bytes, true);
  },
};

/** Measures connections and part sizes, whose defaults were chosen with these plots. */
async function sweep(
  world: World,
  runs: number,
  name: string,
  what: string,
  bytes: number,
  far: boolean,
): Promise<void> {
  const series: Series[] = [];
  for (const part of ["4M", "16M", "64M"]) {
    const flags = (count: number) => ["--jobs", String(count), "--part-size", part];
    series.push({
      name: `parts of ${part}`,
      points: await points(
        [1, 2, 4, 8, 16, 32, 64],
        runs,
        (count) => downloads(world, { count: 1, bytes, flags: flags(count), far }),
      ),
    });
  }
  await draw(name, `${what} by connections and size of parts`, "connections", series, false);
}

async function points(
  at: readonly number[],
  runs: number,
  prepare: (at: number) => ReturnType<typeof downloads>,
): Promise<[number, number][]> {
  const found: [number, number][] = [];
  for (const x of at) {
    await using prepared = await prepare(x);
    const times: number[] = [];
    for (let run = 0; run < runs; run++) {
      await prepared.contender.before?.();
      times.push((await runOnce(prepared.contender)).wall);
    }
    found.push([x, median(times)]);
    console.error(`  ${x}: ${median(times).toFixed(3)} s`);
  }
  return found;
}

async function draw(
  name: string,
  title: string,
  x: string,
  series: readonly Series[],
  logarithmic: boolean,
): Promise<void> {
  const svg = drawPlot({ title, x, y: "seconds", series, logarithmic });
  await Deno.writeTextFile(new URL(`${name}.svg`, import.meta.url), svg);
  console.log(
    `${name}: ${
      series.map((s) => `${s.name} ${s.points.map((p) => `${p[0]}:${p[1].toFixed(2)}`).join(" ")}`).join("; ")
    }`,
  );
}

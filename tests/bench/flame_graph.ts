// Draws V8's sampling profile as a flame graph, with callers above the functions that they call.
//   deno run --cpu-prof --cpu-prof-dir=DIR … main.ts …
//   deno run -P tests/bench/flame_graph.ts FILE.cpuprofile TITLE >FILE.svg
import { escapeXml } from "./plot.ts";

/** A `--cpu-prof` file: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  /** The node of each sample. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** A function under one chain of callers. */
export interface Frame {
  readonly name: string;
  /** Microseconds in it and its callees. */
  total: number;
  readonly children: Map<string, Frame>;
}

/** Sums up a profile's samples. */
export function frames(profile: CpuProfile): Frame {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const own = new Map<number, number>();
  for (const [index, id] of profile.samples.entries()) {
    own.set(id, (own.get(id) ?? 0) + Math.max(0, profile.timeDeltas[index] ?? 0));
  }
  const add = (id: number, into: Frame): number => {
    const node = byId.get(id);
    const name = nameOf(node?.callFrame);
    const frame = into.children.get(name) ?? { name, total: 0, children: new Map() };
    into.children.set(name, frame);
    let total = own.get(id) ?? 0;
    for (const child of node?.children ?? []) total += add(child, frame);
    frame.total += total;
    return total;
  };
  const all: Frame = { name: "", total: 0, children: new Map() };
  const [root] = profile.nodes;
  if (root !== undefined) add(root.id, all);
  return all.children.values().next().value ?? all;
}

function nameOf(frame: { functionName: string; url: string } | undefined): string {
  const file = frame?.url.split("/").at(-1) ?? "";
  const name = frame?.functionName === "" || frame === undefined ? "(anonymous)" : frame.functionName;
  return file === "" ? name : `${name} ${file}`;
}

const WIDTH = 1200, ROW = 17, TOP = 28;
/** Pixels per character. */
const LETTER = 6.2;
/** Pixels; narrower frames are omitted. */
const NARROWEST = 1.5;

/** Renders the SVG: width is time, and callers are above the functions that they call. */
export function flameGraph(root: Frame, title: string): string {
  const boxes: string[] = [];
  const scale = WIDTH / Math.max(1, root.total);
  let deepest = 0;
  const draw = (frame: Frame, x: number, depth: number): void => {
    const width = frame.total * scale;
    if (width < NARROWEST) return;
    deepest = Math.max(deepest, depth);
    const y = TOP + depth * ROW;
    const text = frame.name.slice(0, Math.max(0, Math.floor((width - 6) / LETTER)));
    const hue = frame.name.startsWith("op_") ? 210 : frame.name.startsWith("(") ? 0 : 35;
    boxes.push(
      `<g><title>${escapeXml(frame.name)}: ${(frame.total / 1000).toFixed(1)} ms</title>` +
        `<rect x="${x.toFixed(1)}" y="${y}" width="${(width - 0.5).toFixed(1)}" height="${ROW - 1}" ` +
        `fill="hsl(${hue} ${frame.name.startsWith("(") ? 0 : 70}% 78%)"/>` +
        (text.length < 3 ? "" : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escapeXml(text)}</text>`) +
        "</g>",
    );
    let at = x;
    for (const child of [...frame.children.values()].toSorted((a, b) => b.total - a.total)) {
      draw(child, at, depth + 1);
      at += child.total * scale;
    }
  };
  draw(root, 0, 0);
  const height = TOP + (deepest + 1) * ROW + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="10">
<rect width="${WIDTH}" height="${height}" fill="white"/>
<text x="4" y="18" font-size="13">${escapeXml(title)}: ${(root.total / 1000).toFixed(0)} ms</text>
${boxes.join("\n")}
</svg>
`;
}

if (import.meta.main) {
  const [path, title = ""] = Deno.args;
  if (path === undefined) {
    console.error("name a profile that --cpu-prof wrote");
    Deno.exit(2);
  }
  console.log(flameGraph(frames(JSON.parse(await Deno.readTextFile(path)) as CpuProfile), title).trimEnd());
}

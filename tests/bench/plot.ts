/** A series of points. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  /** Labels of the axes, with units. */
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** Whether both axes are logarithmic: proportional growth is a line of slope 1. @default {false} */
  readonly logarithmic?: boolean;
}

const WIDTH = 640, HEIGHT = 360, LEFT = 64, RIGHT = 150, TOP = 36, BOTTOM = 48;
const COLOURS = ["#0b62a3", "#c2410c", "#3f7d20", "#7c3aed", "#555555"];

/** Draws a plot as an SVG document. */
export function drawPlot({ title, x, y, series, logarithmic = false }: Plot): string {
  const points = series.flatMap((s) => s.points);
  const across = axis(points.map(([at]) => at), logarithmic, LEFT, WIDTH - RIGHT);
  const up = axis(points.map(([, at]) => at), logarithmic, HEIGHT - BOTTOM, TOP);
  const grid = [
    ...across.ticks.map((tick) => {
      const at = across.place(tick).toFixed(1);
      return `<path class="grid" d="M${at} ${TOP}V${HEIGHT - BOTTOM}"/>` +
        `<text x="${at}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${short(tick)}</text>`;
    }),
    ...up.ticks.map((tick) => {
      const at = up.place(tick);
      return `<path class="grid" d="M${LEFT} ${at.toFixed(1)}H${WIDTH - RIGHT}"/>` +
        `<text x="${LEFT - 6}" y="${(at + 4).toFixed(1)}" text-anchor="end">${short(tick)}</text>`;
    }),
  ];
  const drawn = series.map(({ name, points }, index) => {
    const colour = COLOURS[index % COLOURS.length] ?? "black";
    const places = points.map(([a, b]) => [across.place(a).toFixed(1), up.place(b).toFixed(1)] as const);
    const line = places.map(([a, b]) => `${a},${b}`).join(" ");
    const dots = places.map(([a, b]) => `<circle cx="${a}" cy="${b}" r="3" fill="${colour}"/>`).join("");
    const row = TOP + 14 + index * 18;
    return `<polyline points="${line}" stroke="${colour}"/>${dots}` +
      `<text x="${WIDTH - RIGHT + 12}" y="${row}" fill="${colour}">${escapeXml(name)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<style>.grid{stroke:#ddd}polyline{fill:none;stroke-width:2}</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>
<text x="${LEFT}" y="20" font-size="14">${escapeXml(title)}</text>
${grid.join("\n")}
<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escapeXml(x)}</text>
<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${
    escapeXml(y)
  }</text>
${drawn.join("\n")}
</svg>
`;
}

interface Axis {
  readonly ticks: readonly number[];
  place(value: number): number;
}

function axis(values: readonly number[], logarithmic: boolean, from: number, to: number): Axis {
  const most = Math.max(...values);
  if (logarithmic) {
    const low = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
    const high = Math.max(low + 1, Math.ceil(Math.log10(most) - 1e-9));
    const ticks = Array.from({ length: high - low + 1 }, (_, n) => 10 ** (low + n));
    return { ticks, place: (value) => from + (Math.log10(value) - low) / (high - low) * (to - from) };
  }
  const step = niceStep(most / 5);
  const count = Math.max(1, Math.ceil(most / step - 1e-9));
  const ticks = Array.from({ length: count + 1 }, (_, n) => n * step);
  return { ticks, place: (value) => from + value / (count * step) * (to - from) };
}

/** Rounds up to 1, 2 or 5 times a power of ten. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value > 0 ? value : 1));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= value * (1 - 1e-9)) ?? power;
}

function short(value: number): string {
  return value >= 1000 ? value.toLocaleString("en") : `${Number(value.toPrecision(3))}`;
}

/** Escapes text for XML. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

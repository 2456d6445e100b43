import { type Claim, compare, type Comparison } from "./comparison.ts";
import { type Contender, type Figures, measure, type MeasureOptions } from "./measure.ts";
import { PYTHON_IMPORTS } from "./peers.ts";
import { quickEngine } from "./quick_engine.ts";
import { freshDirectory, shell, type World } from "./world.ts";

/**
 * The time from a container's start to the engine's. Each run has new mount and PID namespaces, and a `/tmp`
 * that is empty (first start) or kept from an earlier start (second start). The image's program is unpacked
 * as by `container/install.sh`. All files are in the page cache. Requires root and the built executable.
 */
export async function coldStart(
  world: World,
  options: MeasureOptions,
): Promise<{ figures: Figures; comparisons: Comparison[]; skipped?: string }> {
  const [file = ""] = world.aim;
  if (world.aim.length !== 1) return { figures: new Map(), comparisons: [], skipped: "needs dist/aim" };
  if (Deno.uid() !== 0) return { figures: new Map(), comparisons: [], skipped: "namespaces need root" };
  // Outside of /tmp, which the containers replace.
  const place = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "aim-bench-cold-" });
  try {
    return await measureIn(place, file, world, options);
  } finally {
    await Deno.remove(place, { recursive: true });
  }
}

async function measureIn(
  place: string,
  file: string,
  world: World,
  options: MeasureOptions,
): Promise<{ figures: Figures; comparisons: Comparison[] }> {
  const image = `${place}/image`;
  await shell(
    `'${file}' __unpack '${image}' && '${image}/aim' __self-test && '${image}/aim' --version && chmod -R a-w '${image}'`,
  );
  const bin = `${place}/bin`, cache = `${place}/cache`;
  await freshDirectory(`${cache}/org/model`, 0);
  await Deno.writeTextFile(`${cache}/org/model/config.json`, '{"model_type":"llama"}');
  await Deno.writeFile(`${cache}/org/model/model.safetensors`, EMPTY_SAFETENSORS);
  const env = {
    AIM_CACHE_PATH: cache,
    AIM_MODEL_ID: "org/model",
    AIM_GPU_MODEL: "MI300X",
    AIM_GPU_COUNT: "1",
    AIM_LOG_LEVEL: "ERROR",
    ...await quickEngine(bin),
  };
  const contender = (name: string, program: string, { second = false, mounts = "" } = {}): Contender => {
    const tmp = `${place}/tmp-${name.replaceAll(/\W+/g, "-")}`;
    const script = `mount --make-rprivate / && mount --bind '${tmp}' /tmp && ${
      mounts || ":"
    } && exec ${program}`;
    const args = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script];
    return {
      name,
      args,
      env,
      before: async () => {
        if (second && await Deno.stat(tmp).then(() => true, () => false)) return;
        await freshDirectory(tmp, 0);
        if (second) await new Deno.Command(args[0] ?? "", { args: args.slice(1), env }).output();
      },
    };
  };
  const readOnly = "mount -o remount,bind,ro /tmp && mount --bind / / && mount -o remount,bind,ro /";
  const python = world.peers.get("python");
  const contenders = [
    contender("image, first start", `'${image}/aim' serve`),
    contender("image, second start", `'${image}/aim' serve`, { second: true }),
    contender("image, first start, all read-only", `'${image}/aim' serve`, { mounts: readOnly }),
    contender("single file, first start", `'${file}' serve`),
    contender("single file, second start", `'${file}' serve`, { second: true }),
    ...python === undefined ? [] : [contender("Python's imports", `'${python}' -c '${PYTHON_IMPORTS}'`)],
  ];
  const claim = (subject: string, against: string, limit: number | null): Claim => ({
    work: "from a container's start to the engine's end, which does nothing",
    subject,
    against: [against],
    figure: "wall",
    limit,
  });
  const figures = await measure(contenders, { ...options, runs: options.runs * 2 });
  const comparisons = [
    claim("image, first start", "image, second start", 1.15),
    claim("image, first start, all read-only", "image, second start", 1.25),
    claim("image, first start", "Python's imports", 0.25),
    claim("single file, second start", "image, second start", null),
    claim("single file, first start", "image, first start", null),
  ].flatMap((one) => compare(one, figures) ?? []);
  return { figures, comparisons };
}

/** A file of weights without tensors. */
const EMPTY_SAFETENSORS = new Uint8Array([8, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode("{}      ")]);

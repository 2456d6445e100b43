/** The cost of one run of a command, as the operating system reports it. */
export interface Run {
  /** Seconds from start to end. */
  readonly wall: number;
  /** Seconds of user and system time of the command and the children that it waited for. */
  readonly cpu: number;
  /** Peak memory of the largest process, in bytes. */
  readonly memory: number;
}

/** A program to measure, and how to prepare a run. */
export interface Contender {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Called before each run; not measured. */
  readonly before?: () => Promise<void> | void;
  /** Run it only once and without a warm-up, because it is slow. @default {false} */
  readonly once?: boolean;
  /** Called after each run; not measured. Throws if the command did not do its work. */
  readonly check?: () => Promise<void> | void;
}

export interface MeasureOptions {
  readonly runs: number;
  /** A file to lock (flock(2)) during each round, if others also measure on this machine. */
  readonly lock: string | null;
}

/** All runs by contender. */
export type Figures = ReadonlyMap<string, readonly Run[]>;

/**
 * Runs each contender once to warm up, then `runs` times in turn, so that other load affects all equally.
 *
 * @throws {Error} a command failed, with the end of its output.
 */
export async function measure(contenders: readonly Contender[], options: MeasureOptions): Promise<Figures> {
  const figures = new Map<string, Run[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= options.runs; round++) {
    // Rotates the order, so that no contender always runs after the same one.
    const turn = round % Math.max(1, contenders.length);
    for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
      if (contender.once === true && round !== 1) continue;
      const run = await exclusively(options.lock, async () => {
        await contender.before?.();
        return await runOnce(contender);
      });
      await contender.check?.();
      if (round > 0) figures.get(contender.name)?.push(run);
    }
  }
  return figures;
}

/** Runs a command once. */
export async function runOnce({ name, args, env }: Contender): Promise<Run> {
  const accounts = await Deno.makeTempFile({ prefix: "aim-bench-time-" });
  try {
    const command = new Deno.Command("/usr/bin/time", {
      args: ["-f", "%U %S %M", "-o", accounts, "--", ...args],
      ...(env === undefined ? {} : { env: { ...env } }),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    const started = performance.now();
    const { success, stderr } = await command.output();
    const wall = (performance.now() - started) / 1000;
    if (!success) throw new Error(`${name} failed: ${new TextDecoder().decode(stderr).slice(-2000)}`);
    const [user, system, kibibytes] = (await Deno.readTextFile(accounts)).trim().split(/\s+/).map(Number);
    return { wall, cpu: (user ?? 0) + (system ?? 0), memory: (kibibytes ?? 0) * 1024 };
  } finally {
    await Deno.remove(accounts);
  }
}

async function exclusively<T>(lock: string | null, run: () => Promise<T>): Promise<T> {
  if (lock === null) return await run();
  using file = await Deno.open(lock, { write: true, create: true });
  await file.lock(true);
  return await run();
}

/** One run of a command, as the operating system accounts for it. */
export interface Run {
  /** Seconds from start to end. */
  readonly wall: number;
  /** Seconds of user and system time, of the command and all that it waited for. */
  readonly cpu: number;
  /** Bytes in memory at most, of the largest process. */
  readonly memory: number;
}

/** A program, and the way to a fresh start for it. */
export interface Contender {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Before each run, not measured. */
  readonly before?: () => Promise<void> | void;
  /** Too slow to be run more than once, without warming up. @default {false} */
  readonly once?: boolean;
  /** After each run, not measured: throws where the command did not do its work. */
  readonly check?: () => Promise<void> | void;
}

export interface MeasureOptions {
  readonly runs: number;
  /** A file to hold flock(2) on while a round is measured, on a machine that others use too. */
  readonly lock: string | null;
}

/** All runs by the contender's name. */
export type Figures = ReadonlyMap<string, readonly Run[]>;

/**
 * Runs each contender once for warming up and then so often, in turn: what the machine does meanwhile hits all of them.
 *
 * @throws {Error} A command that fails, with its last words.
 */
export async function measure(contenders: readonly Contender[], options: MeasureOptions): Promise<Figures> {
  const figures = new Map<string, Run[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= options.runs; round++) {
    // Who is first changes, so that nobody always runs after the same other.
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

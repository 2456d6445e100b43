// Watches every call with which aim changes a file system, and simulates a kill at any of them.

type AnyFunction = (...args: unknown[]) => unknown;

const CHANGES = [
  ...["copyFile", "link", "mkdir", "open", "remove", "rename", "symlink", "truncate", "utime"],
  ...["writeFile", "writeTextFile"],
].flatMap((name) => [name, `${name}Sync`]);

type Watch = (name: string, args: unknown[], original: AnyFunction) => unknown;

/** Called for each change through the C library or an open file. */
let watched: Watch | null = null;

const CALLS = ["linkat", "mkdirat", "renameat", "symlinkat", "unlinkat"];
const O_CREAT = 0o100;

// aim loads the C library once per process: its calls are wrapped before.
const { dlopen } = Deno;
(Deno as unknown as Record<string, AnyFunction>).dlopen = (...args) => {
  const opened = (dlopen as unknown as AnyFunction)(...args) as { symbols: Record<string, AnyFunction> };
  const symbols = Object.entries(opened.symbols).map(([name, original]) =>
    [name, (...given: unknown[]) => {
      const changes = CALLS.includes(name) || (name === "openat" && (Number(given[2]) & O_CREAT) !== 0);
      return changes && watched !== null ? watched(`c ${name}`, given, original) : original(...given);
    }] as const
  );
  return { ...opened, symbols: Object.fromEntries(symbols) };
};

const FILE = Deno.FsFile.prototype as unknown as Record<string, AnyFunction>;
for (
  const name of [
    "write",
    "writeSync",
    "truncate",
    "truncateSync",
    "sync",
    "syncSync",
    "syncData",
    "syncDataSync",
  ]
) {
  const original = FILE[name];
  if (original === undefined) throw new Error(`Deno.FsFile has no ${name}`);
  FILE[name] = function (this: unknown, ...given: unknown[]): unknown {
    const call = (...args: unknown[]) => original.apply(this, args);
    return watched === null ? call(...given) : watched(`file ${name}`, given, call);
  };
}

/**
 * Runs `run` and kills it at its `step`th change of the file system, as `kill -9` would: a write is cut in
 * half, any other change is not made, and every later one fails. Returns the number of changes; `step` means
 * that it was killed.
 */
export async function dieAt(step: number, run: () => Promise<unknown>): Promise<number> {
  let steps = 0;
  try {
    await watching((name, args, original) => {
      if (steps >= step) throw new Error("killed");
      steps++;
      if (steps < step) return original(...args);
      if (name.startsWith("write")) tear(args);
      if (name.startsWith("file write")) {
        original((args[0] as Uint8Array).subarray(0, (args[0] as Uint8Array).length / 2));
      }
      throw new Error("killed");
    }, run);
  } catch (error) {
    if (steps < step) throw error;
  }
  return steps;
}

/** Runs `run` and calls `look` before each change of the file system that follows a flush to disk. */
export async function lookAfterFlushes(look: () => void, run: () => Promise<unknown>): Promise<void> {
  let flushed = true;
  await watching((name, args, original) => {
    const flushes = name.startsWith("file sync");
    if (flushed && !flushes) look();
    flushed = flushes;
    return original(...args);
  }, run);
}

const DENO = Deno as unknown as Record<string, AnyFunction>;
const ORIGINALS = new Map(CHANGES.flatMap((name) => {
  const original = DENO[name];
  return original === undefined ? [] : [[name, original] as const];
}));

async function watching(watch: Watch, run: () => Promise<unknown>): Promise<void> {
  for (const [name, original] of ORIGINALS) {
    DENO[name] = (...args) => {
      const writes = !name.startsWith("open") || isForWriting(args[1]);
      return writes ? watch(name, args, original) : original(...args);
    };
  }
  watched = watch;
  try {
    await run();
  } finally {
    watched = null;
    for (const [name, original] of ORIGINALS) DENO[name] = original;
  }
}

function isForWriting(options: unknown): boolean {
  const { write, append, create, createNew } = (options ?? {}) as Deno.OpenOptions;
  return write === true || append === true || create === true || createNew === true;
}

function tear([path, data, options]: unknown[]): void {
  const name = typeof data === "string" ? "writeTextFileSync" : "writeFileSync";
  const half = (data as string | Uint8Array).slice(0, (data as string | Uint8Array).length / 2);
  try {
    ORIGINALS.get(name)?.(path, half, options);
  } catch {
    // The write would have failed anyway.
  }
}

import { makeCertificates } from "../servers/certificates.ts";
import { type Claim, compare, type Comparison } from "./comparison.ts";
import { type Contender, type Figures, measure, type MeasureOptions } from "./measure.ts";
import { freshDirectory, type World } from "./world.ts";

/** One or more rows of the table for the same work. */
export interface Row {
  readonly name: string;
  readonly says: string;
  run(world: World, options: MeasureOptions): Promise<Result>;
}

/** The results of a row. */
export interface Result {
  readonly figures: Figures;
  readonly comparisons: readonly Comparison[];
  /** Why it was not measured. */
  readonly skipped?: string;
}

const MIB = 2 ** 20, GIB = 2 ** 30;
export const QUIET = ["--progress", "none"];

export async function weighed(
  contenders: readonly Contender[],
  claims: readonly Claim[],
  options: MeasureOptions,
): Promise<Result> {
  const figures = await measure(contenders, options);
  return { figures, comparisons: claims.flatMap((claim) => compare(claim, figures) ?? []) };
}

/** A contender that runs `aim fetch`. */
export function fetched(
  world: World,
  name: string,
  uri: string,
  to: string,
  env: Readonly<Record<string, string>>,
  ...flags: string[]
): Contender {
  return {
    name,
    args: [...world.aim, "fetch", uri, to, ...QUIET, ...flags],
    env: { AIM_LOG_LEVEL: "ERROR", HF_HOME: `${world.disk}/hf`, ...env },
  };
}

/** The name of the earlier build's contender. */
export const BEFORE = "aim, before";

/** The same contender with the earlier build, if there is one. */
export function fetchedBefore(
  world: World,
  uri: string,
  to: string,
  env: Readonly<Record<string, string>>,
): readonly Contender[] {
  return world.before === null ? [] : [fetched({ ...world, aim: [world.before] }, BEFORE, uri, to, env)];
}

/** Compares the time with the earlier build's. */
export function noWorse(work: string, limit: number, why?: string): Claim {
  return {
    work,
    subject: "aim",
    against: [BEFORE],
    figure: "wall",
    limit,
    ...(why === undefined ? {} : { why }),
  };
}

/** Makes an empty directory in touched memory before each run, and checks the number of bytes after it. */
export function into(to: string, bytes: number, contender: Contender): Contender {
  return {
    ...contender,
    before: () => freshDirectory(to, bytes),
    check: async () => {
      const found = await bytesBelow(to);
      if (found < bytes) throw new Error(`${contender.name} left ${found} of ${bytes} bytes`);
    },
  };
}

async function bytesBelow(path: string): Promise<number> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `find "$0" -type f -printf '%s\\n' | awk '{ s += $1 } END { printf "%.0f", s }'`, path],
  }).output();
  return Number(new TextDecoder().decode(stdout));
}

/** The paths of PEM files. */
export interface Certificates {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Makes files with a certificate for the servers and its authority. */
export async function certificates(world: World): Promise<Certificates> {
  const made = await makeCertificates();
  if ("skip" in made) throw new Error(made.skip);
  await using of = made;
  const paths = { cert: `${world.disk}/cert.pem`, key: `${world.disk}/key.pem`, ca: `${world.disk}/ca.pem` };
  await Deno.writeTextFile(paths.cert, of.tls.cert);
  await Deno.writeTextFile(paths.key, of.tls.key);
  await Deno.writeTextFile(paths.ca, of.ca);
  return paths;
}

export function short(bytes: number): string {
  return bytes % GIB === 0 ? `${bytes / GIB} GiB` : `${bytes / MIB} MiB`;
}

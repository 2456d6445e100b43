// Nodes of a fleet: processes that download one model at the same time, each into its own cache.
import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { AIM_COMMAND, plainEnvironment } from "../cli/aim.ts";
import { bytesOf, FLEET_FILES } from "./fleet_model.ts";

export interface FleetOptions {
  /** The model that each node downloads; its local name is `org/model`. */
  readonly ref: string;
  readonly env: Readonly<Record<string, string>>;
  /** @default {8, or 4 without AIM_TEST_FULL} */
  readonly count?: number;
  /** Kill the first node during its download and restart it. @default {true} */
  readonly kill?: boolean;
  /** Files that every node must have at the end. @default {the model of `fleet_model.ts`} */
  readonly expected?: Readonly<Record<string, Uint8Array>>;
  /** Called after the kill, before the restart. */
  readonly onKilled?: () => void;
}

/** The outcome of a node's last run. */
export interface FleetNode {
  readonly code: number;
  readonly stderr: string;
  /** Bytes downloaded, and bytes already on disk. */
  readonly bytesMoved: number;
  readonly bytesPresent: number;
}

const NODES = Deno.env.get("AIM_TEST_FULL") === "1" ? 8 : 4;
const NAME = "org/model";

/**
 * Downloads a model on all nodes at the same time and checks every byte of every cache.
 *
 * @returns The nodes; with `kill`, the first one was killed and restarted.
 */
export async function downloadOnFleet(options: FleetOptions): Promise<FleetNode[]> {
  const directory = await Deno.makeTempDir({ prefix: "aim-fleet-" });
  const expected = options.expected ?? FLEET_FILES;
  try {
    const caches = Array.from({ length: options.count ?? NODES }, (_, n) => `${directory}/node${n}`);
    const nodes = await Promise.all(caches.map(async (cache, n) => {
      if (n > 0 || options.kill === false) return await ended(startNode(cache, options));
      const first = startNode(cache, options);
      await partlyThere(cache, first, bytesOf(expected));
      first.kill("SIGKILL");
      assertEquals((await ended(first)).code, 137);
      options.onKilled?.();
      return await ended(startNode(cache, options));
    }));
    for (const [n, node] of nodes.entries()) assertEquals(node.code, 0, `node ${n}: ${node.stderr}`);
    const digests = Object.fromEntries(
      Object.entries(expected).map(([path, bytes]) => [path, sha256(bytes)]),
    );
    for (const cache of caches) assertEquals(await digestsIn(`${cache}/${NAME}`), digests, cache);
    return nodes;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function startNode(cache: string, { ref, env }: FleetOptions): Deno.ChildProcess {
  const [program = "", ...args] = AIM_COMMAND;
  return new Deno.Command(program, {
    args: [...args, "download-to-cache", ref, "--model-name", NAME, "--progress", "none", "--format", "json"],
    clearEnv: true,
    env: { ...plainEnvironment(), HOME: cache, DENO_DIR: denoDirectory(), AIM_CACHE_PATH: cache, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Deno's module cache, for a node with its own home directory. */
export function denoDirectory(): string {
  const { DENO_DIR, XDG_CACHE_HOME, HOME } = Deno.env.toObject();
  return DENO_DIR ?? `${XDG_CACHE_HOME ?? `${HOME}/.cache`}/deno`;
}

async function ended(child: Deno.ChildProcess): Promise<FleetNode> {
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const report = code === 0 ? JSON.parse(text(stdout)) : {};
  return {
    code,
    stderr: text(stderr),
    bytesMoved: report.bytesMoved ?? 0,
    bytesPresent: report.bytesPresent ?? 0,
  };
}

/** Waits until a fifth of the model is on the node's disk and some parts are recorded. */
async function partlyThere(cache: string, child: Deno.ChildProcess, size: number): Promise<void> {
  let over = false;
  child.status.then(() => over = true);
  for (;;) {
    const files = filesBelow(cache);
    const bytes = files.reduce((sum, path) => sum + blocksOf(path), 0);
    if (bytes >= size / 5 && files.some(isRecordOfParts)) return;
    if (over) throw new Error("the node ended before it was killed");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function isRecordOfParts(path: string): boolean {
  return path.endsWith(".parts") &&
    / (?:wrote|flushed) /.test(orIfGone(() => Deno.readTextFileSync(path), ""));
}

/** Bytes that a file takes on disk. */
function blocksOf(path: string): number {
  return orIfGone(() => (Deno.lstatSync(path).blocks ?? 0) * 512, 0);
}

function filesBelow(directory: string): string[] {
  return orIfGone(() => [...Deno.readDirSync(directory)], []).flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${directory}/${name}`) : [`${directory}/${name}`]
  );
}

/** Files may disappear while a node downloads. */
function orIfGone<T>(read: () => T, gone: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return gone;
    throw error;
  }
}

async function digestsIn(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, isFile } of Deno.readDir(directory)) {
    if (!isFile) continue;
    found[name] = sha256(await Deno.readFile(`${directory}/${name}`));
  }
  return found;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

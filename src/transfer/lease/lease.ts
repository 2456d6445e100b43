import { dirname, join } from "@std/path";
import { AimError } from "../../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../../errors/from_unknown.ts";
import { log } from "../../log/logger.ts";
import { systemClock } from "../clock.ts";
import { filesBelow } from "../../os/files_below.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";
import { type HostIdentity, hostIdentity, hostIdentityFrom, isDead, knownGone } from "./host_identity.ts";
import type { Clock } from "../types.ts";
import { fieldsOf, jsonOrNull } from "../../values/json.ts";

export interface LeaseOptions {
  /** Aborts waiting, and the lease's own signal. */
  readonly signal: AbortSignal;
  /** Called with the holder and since when it holds the lease, at once and then every 30 s. */
  readonly onWait?: (holder: string) => void;
  /** Milliseconds without a sign of life after which a holder counts as gone. @default {20_000} */
  readonly leaseTime?: number;
  /** Milliseconds between two signs of life. @default {1_000} */
  readonly renewEvery?: number;
  /** @default {the system's} */
  readonly clock?: Clock;
}

/** The lease went to another process: this one has been silent for too long, or the lock was removed. */
class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
}

/** The content of a lock. `beat` grows with every sign of life; clocks of two hosts are never compared. */
interface LockText extends HostIdentity {
  /** ISO 8601, for people. */
  readonly since: string;
  readonly nonce: string;
  readonly beat: number;
}

/** Milliseconds that a new holder waits to see whether another has taken the lease at the same time. */
const SETTLE = 200;
const TELL_EVERY = 30_000;
/** Maximum bytes of a lock: far more than any has. */
const LARGEST = 4096;

/**
 * Runs something in only one process per directory at a time, over all hosts that share it. The lock is the
 * file `.aim/lock`, created by link(2) and renewed by rewriting it: network file systems do not always have
 * flock(2). A holder without a sign of life for the lease time loses it; one whose process is certainly dead
 * loses it at once. A holder that loses it is stopped, waits, and runs again. The lease only saves bandwidth.
 *
 * @param directory Created if missing. Requires read and write permission for it.
 * @param run Its signal is aborted when the caller's is, or when the lease is lost to another process.
 * @throws {AimError} `no-space` if the directory is not writable; the signal's reason; what `run` throws.
 */
export async function withLease<T>(
  directory: string,
  options: LeaseOptions,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const pace = { leaseTime: 20_000, renewEvery: 1_000, clock: systemClock, ...options };
  for (;;) {
    const held = await acquire(directory, pace);
    try {
      return await run(held.signal);
    } catch (error) {
      if (!(held.signal.reason instanceof LeaseLostError) || options.signal.aborted) throw error;
      log.warn(`another process has taken the lease of ${directory}: waiting for it`);
    } finally {
      await held.release();
    }
  }
}

/** Options with defaults applied. */
type SetOptions = LeaseOptions & Required<Pick<LeaseOptions, "leaseTime" | "renewEvery" | "clock">>;

interface Held {
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

async function acquire(directory: string, options: SetOptions): Promise<Held> {
  const { signal, renewEvery, clock } = options;
  const path = join(directory, ".aim", "lock");
  const since = new Date().toISOString();
  const mine: LockText = { ...hostIdentity(), since, nonce: crypto.randomUUID(), beat: 0 };
  let seen = "";
  let unchangedSince = clock.now();
  let told = -Infinity;
  for (;;) {
    signal.throwIfAborted();
    const text = readLock(path);
    if (text === null) {
      try {
        Deno.mkdirSync(dirname(path), { recursive: true });
        if (takeFree(path, mine)) return keep(path, mine, options);
      } catch (error) {
        throw errorFrom(error, `locking ${directory}`);
      }
      continue;
    }
    const now = clock.now();
    if (text !== seen) {
      seen = text;
      unchangedSince = now;
    }
    const holder = parseLock(text);
    if (now - unchangedSince >= patienceWith(holder, options)) {
      log.info(`${describe(holder)} is gone, taking over its lease of ${directory}`);
      if (await takeOver(path, mine, text, options)) return keep(path, mine, options);
      continue;
    }
    if (now - told >= TELL_EVERY) {
      told = now;
      options.onWait?.(describe(holder));
    }
    await clock.sleep(Math.min(500, renewEvery / 2), signal);
  }
}

/** Milliseconds without a sign of life after which a holder has lost the lease. */
function patienceWith(holder: LockText | null, { leaseTime, renewEvery }: SetOptions): number {
  if (holder === null) return leaseTime;
  if (isDead(holder)) return 0;
  // A process that is not visible here may run in another container with this host name: watch its beats.
  return knownGone(holder) ? 2.5 * renewEvery : leaseTime;
}

/** Takes a free lock. */
function takeFree(path: string, mine: LockText): boolean {
  const own = ownPath(path, mine);
  create(own, mine);
  try {
    linkOrCreate(own, path, mine);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return holds(path, mine);
    throw error;
  } finally {
    remove(own);
  }
}

/** Unlike O_EXCL, link(2) makes the lock appear with its text, and is atomic on every NFS. */
function linkOrCreate(own: string, path: string, mine: LockText): void {
  try {
    Deno.linkSync(own, path);
  } catch (error) {
    const hasNoLinks = error instanceof Deno.errors.NotSupported ||
      ["EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(errnoOf(error) ?? "");
    if (!hasNoLinks) throw error;
    create(path, mine);
  }
}

function create(path: string, mine: LockText): void {
  Deno.writeTextFileSync(path, JSON.stringify(mine), { createNew: true, mode: 0o644 });
}

/** Replaces a dead holder's lock. If several processes do so at once, the last one wins. */
async function takeOver(
  path: string,
  mine: LockText,
  stale: string,
  { clock, signal }: SetOptions,
): Promise<boolean> {
  const own = ownPath(path, mine);
  try {
    create(own, mine);
    if (readLock(path) !== stale) return false;
    Deno.renameSync(own, path);
  } catch (error) {
    throw errorFrom(error, `locking ${path}`);
  } finally {
    remove(own);
  }
  await clock.sleep(SETTLE, signal);
  return holds(path, mine);
}

/** Gives signs of life and watches for the loss of the lease. */
function keep(path: string, mine: LockText, { signal, renewEvery, leaseTime, clock }: SetOptions): Held {
  const ended = new AbortController();
  const lost = new AbortController();
  const beating = (async () => {
    let beat = 0;
    let renewed = clock.now();
    for (;;) {
      await clock.sleep(renewEvery, ended.signal);
      try {
        if (!renew(path, { ...mine, beat: ++beat })) {
          return lost.abort(new LeaseLostError("the lease is lost"));
        }
        renewed = clock.now();
      } catch (error) {
        // A file system that hangs or is full: others count us as gone after the lease time.
        if (clock.now() - renewed > leaseTime) return lost.abort(new LeaseLostError(String(error)));
      }
    }
  })().catch(() => {});
  return {
    signal: AbortSignal.any([signal, lost.signal]),
    async release() {
      ended.abort();
      await beating;
      try {
        if (holds(path, mine)) remove(path);
      } catch (error) {
        log.debug(`cannot remove ${path}: ${error instanceof Error ? error.message : error}`);
      }
    },
  };
}

/** Gives a sign of life; false if the lock is another process's. A lock that was removed is taken again. */
function renew(path: string, mine: LockText): boolean {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return takeFree(path, mine);
    throw error;
  }
  // Written through the handle that was read: if another process has taken the lock meanwhile, the path names
  // another file.
  try {
    const buffer = new Uint8Array(LARGEST);
    const text = decoder.decode(buffer.subarray(0, file.readSync(buffer) ?? 0));
    if (parseLock(text)?.nonce !== mine.nonce) return false;
    const bytes = encoder.encode(JSON.stringify(mine));
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(bytes);
    file.truncateSync(bytes.length);
    return true;
  } finally {
    file.close();
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function ownPath(path: string, mine: LockText): string {
  return `${path}.${mine.nonce.slice(0, 8)}`;
}

function holds(path: string, mine: LockText): boolean {
  const text = readLock(path);
  return text !== null && parseLock(text)?.nonce === mine.nonce;
}

function readLock(path: string): string | null {
  const text = readRegularTextSync(path, LARGEST);
  if (text.kind === "ok") return text.value;
  if (text.kind === "absent" && !isLink(path)) return null;
  if (text.kind === "failed" && text.cause !== undefined) throw errorFrom(text.cause, `locking ${path}`);
  const reason = text.kind === "failed" ? text.reason : "it is a broken symlink";
  throw new AimError("no-space", `locking ${path}: ${reason}`, { hint: "remove it, then run again" });
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

function parseLock(text: string): LockText | null {
  const json = jsonOrNull(text);
  const identity = hostIdentityFrom(json);
  const { since, nonce, beat } = fieldsOf(json);
  if (identity === null || typeof nonce !== "string" || typeof since !== "string") return null;
  return typeof beat === "number" ? { ...identity, since, nonce, beat } : null;
}

function describe(holder: LockText | null): string {
  return holder === null
    ? "an unknown process"
    : `process ${holder.pid} on ${holder.host} (since ${holder.since})`;
}

function remove(path: string): void {
  filesBelow(dirname(path)).remove(path);
}

/** Describes the holder of a directory's lease; `null` without a sign of life within 5 s. */
export async function liveHolder(directory: string): Promise<string | null> {
  const path = join(directory, ".aim", "lock");
  const text = readLock(path);
  const holder = text === null ? null : parseLock(text);
  if (text === null || (holder !== null && isDead(holder))) return null;
  for (let waited = 0; waited < 5_000; waited += 250) {
    await new Promise((done) => setTimeout(done, 250));
    const now = readLock(path);
    if (now !== text) return now === null ? null : describe(holder);
  }
  return null;
}

/// <reference lib="deno.worker" />
// Hashes files during the transfer: reads what has arrived from the page cache, in file order.
import { digestsOfFile, type FileHash, fileHash } from "./file_hash.ts";
import type { DigestSpec } from "./digests.ts";
import type { ComputedDigests } from "../types.ts";

/** Messages to a hash worker. After `advance`, bytes `[0, to)` of the file may be read. */
export type HashRequest =
  | {
    readonly type: "open";
    readonly id: number;
    readonly path: string;
    readonly size: number;
    readonly specs: readonly DigestSpec[];
  }
  | { readonly type: "advance"; readonly id: number; readonly to: number }
  | { readonly type: "cancel"; readonly id: number };

/** Messages from a hash worker. `bytes` were hashed since the last message. */
export type HashReply =
  | { readonly type: "hashed"; readonly id: number; readonly bytes: number }
  | { readonly type: "done"; readonly id: number; readonly digests: ComputedDigests }
  | { readonly type: "failed"; readonly id: number; readonly message: string };

interface Job {
  readonly file: Deno.FsFile;
  readonly size: number;
  readonly specs: readonly DigestSpec[];
  readonly hash: FileHash;
  to: number;
}

const jobs = new Map<number, Job>();
let running = false;

function reply(message: HashReply): void {
  self.postMessage(message);
}

self.onmessage = ({ data }: MessageEvent<HashRequest>) => {
  const job = jobs.get(data.id);
  switch (data.type) {
    case "open":
      try {
        const { id, path, size, specs } = data;
        const file = Deno.openSync(path);
        jobs.set(id, { file, size, specs, hash: fileHash(file, size, specs), to: 0 });
      } catch (error) {
        reply({ type: "failed", id: data.id, message: messageOf(error) });
      }
      break;
    case "advance":
      if (job !== undefined) job.to = Math.max(job.to, data.to);
      break;
    case "cancel":
      if (job !== undefined) end(data.id, job);
      break;
  }
  void run();
};

async function run(): Promise<void> {
  if (running) return;
  running = true;
  for (let busy = true; busy;) {
    busy = false;
    for (const [id, job] of [...jobs]) {
      if (jobs.get(id) !== job || !job.hash.ready(job.to)) continue;
      busy = true;
      try {
        step(id, job);
      } catch (error) {
        end(id, job);
        reply({ type: "failed", id, message: messageOf(error) });
      }
      await turn();
    }
  }
  running = false;
}

function step(id: number, job: Job): void {
  const { file, size, specs, hash } = job;
  const { at } = hash;
  hash.step(job.to);
  if (hash.at > at) reply({ type: "hashed", id, bytes: hash.at - at });
  if (hash.at < size) return;
  const digests = digestsOfFile(file, size, specs, hash);
  end(id, job);
  reply({ type: "done", id, digests });
}

function end(id: number, job: Job): void {
  jobs.delete(id);
  job.file.close();
}

const channel = new MessageChannel();
let resume = () => {};
channel.port1.onmessage = () => resume();

/** Lets pending messages be handled: one turn of the event loop, without a timer's delay. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    resume = resolve;
    channel.port2.postMessage(null);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

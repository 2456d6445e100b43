/// <reference lib="deno.worker" />
// Hashes files beside the transfer: reads from the page cache what has arrived, in file order.
import { type DigestStream, digestStream } from "./digests.ts";
import type { HashReply, HashRequest } from "./hash_protocol.ts";

interface Job {
  readonly file: Deno.FsFile;
  readonly size: number;
  readonly stream: DigestStream;
  at: number;
  to: number;
}

const buffer = new Uint8Array(512 * 1024);
/** Bytes between two looks at the messages. */
const SLICE = 16 * 1024 * 1024;
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
        const file = Deno.openSync(data.path);
        jobs.set(data.id, {
          file,
          size: data.size,
          stream: digestStream(data.specs, data.size),
          at: 0,
          to: 0,
        });
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
      if (jobs.get(id) !== job || (job.at === job.to && job.at < job.size)) continue;
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
  const until = Math.min(job.to, job.at + SLICE);
  while (job.at < until) {
    const count = job.file.readSync(buffer.subarray(0, Math.min(buffer.length, until - job.at)));
    if (count === null || count === 0) throw new Error(`the file ends at byte ${job.at}`);
    job.stream.update(buffer.subarray(0, count));
    job.at += count;
  }
  if (job.at < job.size) return reply({ type: "hashed", id, at: job.at });
  const digests = job.stream.digests();
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

/** Lets messages that have arrived be handled: one turn of the event loop, without a timer's delay. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    resume = resolve;
    channel.port2.postMessage(null);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/// <reference lib="deno.worker" />
// Proves and writes small files beside the transfer, which goes on fetching.
import { publishFile } from "./publish_file.ts";
import type { PublishBatch, PublishOutcome, PublishReply, PublishStart } from "./publish_protocol.ts";

let start: PublishStart | undefined;

self.onmessage = ({ data }: MessageEvent<PublishStart | PublishBatch>) => {
  if (data.type === "start") {
    start = data;
    return;
  }
  const { memory, entries } = data;
  const outcomes = entries.map((entry): PublishOutcome => {
    if (start === undefined || Atomics.load(start.stopped, 0) !== 0) return { kind: "skipped" };
    return publishFile(entry, new Uint8Array(memory, entry.at, entry.size), start.sync);
  });
  self.postMessage({ memory, outcomes } satisfies PublishReply, [memory]);
};

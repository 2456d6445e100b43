import { errnoOf } from "../../errors/from_unknown.ts";
import { headOf } from "./head_of.ts";
import type { Head } from "./types.ts";

/** Identifies a file by its first bytes, with at most two reads unless its length is in doubt. */
export function readHead(path: string, size: number, weights: boolean): Head {
  try {
    // Synchronous: 200 shards take 5 ms instead of 40.
    using file = Deno.openSync(path);
    return headOf(size, (offset, length) => {
      const bytes = new Uint8Array(Math.min(length, Math.max(0, size - offset)));
      if (offset > 0) file.seekSync(offset, Deno.SeekMode.Start);
      let at = 0;
      while (at < bytes.length) {
        const read = file.readSync(bytes.subarray(at));
        if (read === null) break;
        at += read;
      }
      return bytes.subarray(0, at);
    }, weights);
  } catch (error) {
    return { kind: "unreadable", why: errnoOf(error) ?? (error instanceof Error ? error.name : "error") };
  }
}

import { createFile } from "../../os/new_files.ts";
import { digestMatches, digestStream } from "../hash/digests.ts";
import { nonce } from "../nonce.ts";
import type { PublishEntry, PublishOutcome } from "./publish_protocol.ts";
import { ownStaging } from "../staging_names.ts";
import type { FileNote } from "../types.ts";
import { writeSmallFile } from "./write_small_file.ts";

/**
 * Proves a file's bytes, gives them their final name, and notes so. Nothing is thrown: whoever sent it has a way of saying what is wrong.
 *
 * @param sync As in `WriteOptions`.
 */
export function publishFile(
  entry: PublishEntry,
  bytes: Uint8Array<ArrayBuffer>,
  sync: boolean,
): PublishOutcome {
  const stream = digestStream(entry.specs, bytes.length);
  stream.update(bytes);
  const digests = stream.digests();
  if (entry.digest !== null && !digestMatches(entry.digest, digests)) return { kind: "different", digests };
  try {
    writeSmallFile(ownStaging(entry.staging, nonce()), entry.target, bytes, { sync });
  } catch {
    return { kind: "unwritten", digests };
  }
  return { kind: "written", digests, noted: entry.note === null ? null : writeNote(entry.note) };
}

const encoder = new TextEncoder();

/** Writes a note where there is none. @returns The time in it; `null` where it was not written, or not whole. */
function writeNote({ path, head }: FileNote): number | null {
  const now = Date.now();
  const bytes = encoder.encode(`${head}${now / 1000}\n`);
  try {
    if (!createFile(path, bytes)) Deno.writeFileSync(path, bytes, { createNew: true });
    return now;
  } catch {
    return null;
  }
}

import { loadLibrary } from "../../libraries/load_library.ts";
import type { ByteRange, ManifestFile } from "../manifest.ts";
import { type RangeBody, TransientError } from "../source.ts";

/** How to reach the xet store. */
export interface XetAccess {
  /** The hub's address for read tokens of the xet store. */
  readonly refreshUrl: string;
  readonly fetch: typeof fetch;
  /** Called if the data breaks off after {@linkcode readXet} has resolved. */
  readonly onBroken: (error: unknown) => void;
}

/**
 * Reads a range of a file by the xet protocol, with the hub library's reader. Resolves with the first bytes.
 *
 * @throws {TransientError} for any failure: the next protocol may work.
 */
export async function readXet(
  file: ManifestFile,
  range: ByteRange | null,
  access: XetAccess,
): Promise<RangeBody> {
  const { __internal_XetBlob: XetBlob } = await loadLibrary("hugging_face");
  const wanted = range ?? { start: 0, end: file.size };
  const blob = new XetBlob({
    hash: file.xetHash ?? "",
    size: file.size,
    refreshUrl: access.refreshUrl,
    fetch: access.fetch,
    // aim already reads parts in parallel; the library's parallel reader buffers up to 256 MiB for each.
    parallelDownloads: false,
  });
  const chunks = blob.slice(wanted.start, wanted.end).stream().values();
  const failed = (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    return new TransientError(`${file.path} cannot be read by XET: ${reason}`, { cause: error });
  };
  const first = await chunks.next().catch((error) => {
    throw failed(error);
  });
  if (first.done) throw failed("no data");
  const all = async function* () {
    yield first.value;
    try {
      yield* chunks;
    } catch (error) {
      access.onBroken(error);
      throw failed(error);
    }
  };
  return { range: wanted, body: ReadableStream.from(all()) };
}

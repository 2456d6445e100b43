import { assert, assertEquals, assertRejects } from "@std/assert";
import { chunks } from "../../src/transfer/copy_body.ts";
import { randomBytes, seeded } from "./fake_source.ts";

const MIB = 1024 * 1024;

/** A body that gives at most so many bytes a read, and what happens at its end. */
function reader(
  bytes: Uint8Array,
  piece: number,
  { wait = 0, fault }: { wait?: number; fault?: Error } = {},
) {
  let at = 0;
  let cancelled = false;
  return {
    async read(into: Uint8Array): Promise<number | null> {
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (at === bytes.length && fault !== undefined) throw fault;
      if (at === bytes.length) return null;
      const part = bytes.subarray(at, at + Math.min(piece, into.length));
      into.set(part);
      at += part.length;
      return part.length;
    },
    cancel() {
      cancelled = true;
      return Promise.resolve();
    },
    isCancelled: () => cancelled,
  };
}

/** Sizes of the chunks, and all of their bytes. */
async function collected(body: ReturnType<typeof reader>, size = MIB, signal = new AbortController().signal) {
  const parts: Uint8Array[] = [];
  const error = await (async () => {
    for await (const chunk of chunks(body, size, signal)) parts.push(chunk.slice());
    return null;
  })().catch((error) => error);
  return {
    sizes: parts.map((part) => part.length),
    bytes: new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()),
    error,
  };
}

Deno.test("what comes in little pieces at once is put together, every byte in its place", async () => {
  const bytes = randomBytes(700_000, seeded(1));
  for (
    const [piece, size] of [[16_384, MIB], [1000, MIB], [16_384, 65_536], [MIB, MIB], [7, 4096]] as const
  ) {
    const got = await collected(reader(bytes, piece), size);
    assertEquals(got.bytes, bytes);
    assertEquals(got.error, null);
    assert(got.sizes.every((bytes) => bytes <= size));
    // The first is not kept back, nor are those after a pause of this machine's.
    if (piece * 40 < bytes.length) {
      assert(
        got.sizes.length < bytes.length / piece / 2,
        `${got.sizes.length} chunks`,
      );
    }
  }
});

Deno.test("what comes slowly is not kept back", async () => {
  const bytes = randomBytes(100, seeded(2));
  assertEquals((await collected(reader(bytes, 10, { wait: 8 }))).sizes, new Array(10).fill(10));
});

Deno.test("what came before a fault counts, and the body is given up", async () => {
  const bytes = randomBytes(100_000, seeded(3));
  const fault = new Error("reset");
  const body = reader(bytes, 1000, { fault });
  const got = await collected(body);
  assertEquals([got.bytes, got.error, body.isCancelled()], [bytes, fault, true]);
});

Deno.test("an abort ends reading with its reason", async () => {
  const abort = new AbortController();
  const reason = new Error("stopped");
  const body = reader(randomBytes(1000, seeded(4)), 10, { wait: 5 });
  setTimeout(() => abort.abort(reason), 20);
  assertEquals((await collected(body, MIB, abort.signal)).error, reason);
  assert(body.isCancelled());
  await assertRejects(
    async () => {
      for await (const _ of chunks(body, MIB, abort.signal)) { /* none comes */ }
    },
    Error,
    "stopped",
  );
});

import { assert, assertEquals, assertRejects } from "@std/assert";
import { chunks } from "../../src/transfer/chunks.ts";
import { randomBytes, seeded } from "./fake_source.ts";

/** A body in pieces of this size that ends with an error, if one is given. */
function bodyOf(bytes: Uint8Array, piece: number, fault?: Error) {
  let at = 0;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (at < bytes.length) controller.enqueue(bytes.slice(at, at += piece));
      else if (fault === undefined) controller.close();
      else controller.error(fault);
    },
    cancel: () => void (cancelled = true),
  }, { highWaterMark: 0 });
  return { body, isCancelled: () => cancelled };
}

async function collected(body: ReadableStream<Uint8Array>, signal = new AbortController().signal) {
  const parts: Uint8Array[] = [];
  const error = await (async () => {
    for await (const chunk of chunks(body, signal)) parts.push(chunk.slice());
    return null;
  })().catch((error) => error);
  const bytes: Uint8Array = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  return { bytes, error };
}

Deno.test("yields every chunk, including those before an error", async () => {
  const bytes = randomBytes(100_000, seeded(3));
  assertEquals(await collected(bodyOf(bytes, 9000).body), { bytes, error: null });
  const fault = new Error("reset");
  assertEquals(await collected(bodyOf(bytes, 9000, fault).body), { bytes, error: fault });
});

Deno.test("a reader that stops early cancels the body", async () => {
  const { body, isCancelled } = bodyOf(randomBytes(1000, seeded(5)), 10);
  for await (const _ of chunks(body, new AbortController().signal)) break;
  assert(isCancelled());
});

Deno.test("an abort cancels the body and throws the signal's reason", async () => {
  const abort = new AbortController();
  const reason = new Error("stopped");
  const { body, isCancelled } = bodyOf(randomBytes(1000, seeded(4)), 10);
  setTimeout(() => abort.abort(reason), 20);
  assertEquals((await collected(body, abort.signal)).error, reason);
  assert(isCancelled());
  await assertRejects(
    async () => {
      for await (const _ of chunks(bodyOf(new Uint8Array(10), 1).body, abort.signal)) { /* yields nothing */ }
    },
    Error,
    "stopped",
  );
});

Deno.test("fetch bodies are read completely, fast or slow, and a broken connection adds no bytes", async () => {
  const bytes = randomBytes(3_000_000, seeded(6));
  const slow = bytes.subarray(0, 5000);
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/quick") return new Response(new Uint8Array(bytes));
    const pause = () => new Promise((resolve) => setTimeout(resolve, 30));
    let at = 0;
    return new Response(
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          await pause();
          if (at < slow.length) controller.enqueue(slow.subarray(at, at += 1000));
          else if (pathname === "/slow") controller.close();
          else controller.error(new Error("broken"));
        },
      }),
    );
  });
  const from = async (path: string) => {
    const { body } = await fetch(`http://127.0.0.1:${server.addr.port}/${path}`);
    assert(body !== null);
    return await collected(body);
  };
  assertEquals(await from("quick"), { bytes, error: null });
  assertEquals(await from("slow"), { bytes: slow, error: null });
  const broken = await from("broken");
  assertEquals(broken.bytes, slow);
  assert(broken.error instanceof Error);
});

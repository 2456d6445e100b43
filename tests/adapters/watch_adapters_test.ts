import { assertEquals } from "@std/assert";
import { findAdapters } from "../../src/adapters/find_adapters.ts";
import { configureLog } from "../../src/log/logger.ts";
import { watchAdapters } from "../../src/adapters/watch_adapters.ts";
import { writeAdapter } from "./adapter_folder.ts";
import { type StubEngine, stubEngine } from "./stub_engine.ts";

/** Runs a watcher that checks every 20 ms until `check` returns. */
async function watched(
  engine: StubEngine,
  check: (source: string) => Promise<void>,
  apiKey: string | null = null,
): Promise<void> {
  const source = await Deno.makeTempDir();
  let running = true;
  const watcher = watchAdapters({
    engine: engine.url,
    apiKey,
    interval: 20,
    find: (warn) => findAdapters({ adapterSource: source, adapterMaxRank: "32" }, warn),
    alive: () => running,
  });
  try {
    await check(source);
  } finally {
    running = false;
    await watcher;
    await Deno.remove(source, { recursive: true });
  }
}

/** Waits for a condition for at most ten seconds. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let left = 1000; !isSo(); left--) {
    if (left === 0) throw new Error(`not within ten seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test("adapters are loaded, replaced when their files change, and unloaded when they are removed", async () => {
  await using engine = stubEngine();
  await watched(engine, async (source) => {
    await writeAdapter(source, "a");
    await until("loaded", () => engine.loaded.get("a") === `${source}/a`);
    await writeAdapter(source, "a", { bytes: 65 });
    await until("replaced", () => engine.requests.includes("replace a 200"));
    await Deno.remove(`${source}/a`, { recursive: true });
    await until("unloaded", () => engine.loaded.size === 0);
  });
  assertEquals(engine.requests.filter((r) => r.startsWith("load") || r.startsWith("unload")), [
    "load a 200",
    "unload a 200",
  ]);
});

Deno.test("a skipped adapter causes one warning, not one per check", async () => {
  await using engine = stubEngine();
  const lines: string[] = [];
  configureLog({ write: (line) => lines.push(line) });
  await watched(engine, async (source) => {
    await writeAdapter(source, "large", { rank: 64 });
    engine.answerWith(500, 500, 500);
    await writeAdapter(source, "a");
    await until("checked several times", () => engine.requests.length === 4);
  });
  assertEquals(lines.filter((line) => line.includes("large is left out")).length, 1);
});

Deno.test("adapters are loaded again after the engine restarts", async () => {
  await using engine = stubEngine();
  await watched(engine, async (source) => {
    await writeAdapter(source, "a");
    await until("loaded", () => engine.loaded.has("a"));
    await engine.restart();
    await until("loaded again", () => engine.loaded.has("a"));
  });
});

Deno.test("a load is retried after 5xx, but after 4xx only once the files change", async () => {
  await using engine = stubEngine();
  await watched(engine, async (source) => {
    engine.answerWith(503, 400);
    await writeAdapter(source, "a");
    await until("refused", () => engine.requests.includes("load a 400"));
    await writeAdapter(source, "b");
    await until("another is loaded", () => engine.loaded.has("b"));
    assertEquals(engine.requests.filter((r) => r.startsWith("load a")), ["load a 503", "load a 400"]);
    await writeAdapter(source, "a", { bytes: 65 });
    await until("loaded", () => engine.loaded.has("a"));
  });
});

Deno.test("an unload is retried until it succeeds or the engine does not know the adapter", async () => {
  await using engine = stubEngine();
  await watched(engine, async (source) => {
    await writeAdapter(source, "a");
    await until("loaded", () => engine.loaded.has("a"));
    engine.answerWith(500, 404);
    await Deno.remove(`${source}/a`, { recursive: true });
    await until("done", () => engine.requests.includes("unload a 404"));
  });
  assertEquals(engine.requests, ["load a 200", "unload a 500", "unload a 404"]);
});

Deno.test("every request has the engine's API key", async () => {
  await using engine = stubEngine({ apiKey: "secret" });
  await watched(engine, async (source) => {
    await writeAdapter(source, "a");
    await until("loaded", () => engine.loaded.has("a"));
  }, "secret");
});

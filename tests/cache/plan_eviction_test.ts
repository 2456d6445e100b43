import { assertEquals } from "@std/assert";
import { listModels } from "../../src/cache/list_models.ts";
import { markUsed } from "../../src/cache/last_used.ts";
import { setPinned } from "../../src/cache/pinned.ts";
import { planEviction } from "../../src/cache/plan_eviction.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-11-26T00:00:00Z");

/** Models by name: size in MiB and days since last use. */
async function withModels(
  models: Readonly<Record<string, [number, number]>>,
  test: (root: string) => Promise<void>,
) {
  const root = await Deno.makeTempDir();
  try {
    for (const [name, [mib, days]] of Object.entries(models)) {
      await Deno.mkdir(`${root}/${name}`, { recursive: true });
      await Deno.writeFile(`${root}/${name}/model.safetensors`, new Uint8Array(mib * 2 ** 20));
      await Deno.mkdir(`${root}/${name}/.aim`);
      await markUsed(`${root}/${name}`, new Date(NOW - days * DAY));
    }
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const MODELS: Readonly<Record<string, [number, number]>> = {
  "o/old": [4, 90],
  "o/mid": [4, 40],
  "o/new": [4, 1],
};

async function evicted(root: string, options: { olderThan?: number; keep?: number; served?: string }) {
  const { plans, spared } = await planEviction(
    await listModels({ cachePath: root, hfHome: root, hfHubCache: `${root}/hub` }),
    {
      olderThan: options.olderThan ?? null,
      keep: options.keep ?? null,
      now: NOW,
      servedBy: ({ name }) => name === options.served ? "process 7" : null,
    },
  );
  return { gone: plans.map((plan) => plan.folder.name), spared: spared.map((one) => one.folder.name) };
}

Deno.test("models are evicted by age, and least recently used first until the rest fits", async () => {
  await withModels(MODELS, async (root) => {
    // Listing reads the files, which does not count as use.
    await listModels({ cachePath: root, hfHome: root, hfHubCache: `${root}/hub` });
    assertEquals(await evicted(root, { olderThan: 30 * DAY }), { gone: ["o/old", "o/mid"], spared: [] });
    assertEquals(await evicted(root, { keep: 9 * 2 ** 20 }), { gone: ["o/old"], spared: [] });
    assertEquals(await evicted(root, { keep: 0 }), { gone: ["o/old", "o/mid", "o/new"], spared: [] });
    assertEquals(await evicted(root, { keep: 2 ** 30, olderThan: 365 * DAY }), { gone: [], spared: [] });
  });
});

Deno.test("pinned and served models are kept; the next least recently used one is evicted instead", async () => {
  await withModels(MODELS, async (root) => {
    for (let twice = 0; twice < 2; twice++) await setPinned({ path: `${root}/o/old` }, true);
    assertEquals(await evicted(root, { keep: 9 * 2 ** 20 }), { gone: ["o/mid"], spared: ["o/old"] });
    assertEquals(await evicted(root, { keep: 9 * 2 ** 20, served: "o/mid" }), {
      gone: ["o/new"],
      spared: ["o/old", "o/mid"],
    });
    await setPinned({ path: `${root}/o/old` }, false);
    assertEquals((await evicted(root, { keep: 9 * 2 ** 20 })).gone, ["o/old"]);
  });
});

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { HashPool } from "../../src/transfer/hash/hash_pool.ts";
import { randomBytes, seeded } from "./fake_source.ts";

const BYTES = randomBytes(3_000_000, seeded(20));
const SHA256 = createHash("sha256").update(BYTES).digest("hex");

async function withFile(
  run: (path: string, pool: HashPool) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, BYTES);
  const pool = new HashPool({ workers: 2 });
  try {
    await run(path, pool);
  } finally {
    pool.close();
    await Deno.remove(path);
  }
}

Deno.test("files are hashed in parallel, and their bytes are counted", async () => {
  await withFile(async (path, pool) => {
    let counted = 0;
    const all = await Promise.all(
      Array.from({ length: 5 }, () => pool.hash(path, ["sha256", "crc64nvme"], (n) => void (counted += n))),
    );
    assertEquals(new Set(all.map((d) => d.sha256)), new Set([SHA256]));
    assert(all.every((d) => d.crc64nvme?.length === 16));
    assertEquals(counted, 5 * BYTES.length);
  });
});

Deno.test("a growing file is hashed only up to the announced offset", async () => {
  await withFile(async (path, pool) => {
    // The rest is written only after the beginning has been hashed.
    const file = await Deno.open(path, { write: true });
    await file.truncate(1_000_000);
    await file.truncate(BYTES.length);
    let hashed = 0;
    const job = pool.open(path, BYTES.length, [{ algorithm: "sha256" }], (n) => void (hashed += n));
    job.advance(1_000_000);
    while (hashed < 1_000_000) await new Promise((resolve) => setTimeout(resolve, 5));
    await file.seek(1_000_000, Deno.SeekMode.Start);
    await file.write(BYTES.subarray(1_000_000));
    job.advance(BYTES.length);
    assertEquals((await job.done).sha256, SHA256);
    file.close();
  });
});

Deno.test("an empty file has a digest", async () => {
  await withFile(async (path, pool) => {
    await Deno.truncate(path);
    assertEquals((await pool.hash(path, ["md5"])).md5, "d41d8cd98f00b204e9800998ecf8427e");
  });
});

Deno.test("a missing or truncated file fails its job but not the pool", async () => {
  await withFile(async (path, pool) => {
    await assertRejects(() => pool.hash(`${path}.not`, ["sha256"]));
    await assertRejects(
      () => pool.open(`${path}.not`, 10, [{ algorithm: "sha256" }]).done,
      Error,
      "No such file",
    );
    const job = pool.open(path, BYTES.length + 1, [{ algorithm: "sha256" }]);
    job.advance(BYTES.length + 1);
    await assertRejects(() => job.done, Error, `ends at byte ${BYTES.length}`);
    assertEquals((await pool.hash(path, ["sha256"])).sha256, SHA256);
  });
});

Deno.test("cancelled jobs reject, and so do all jobs when the pool is closed", async () => {
  await withFile(async (path, pool) => {
    const given = pool.open(path, BYTES.length, [{ algorithm: "sha256" }]);
    given.cancel();
    await assertRejects(() => given.done, Error, "cancelled");
    const open = pool.open(path, BYTES.length, [{ algorithm: "sha256" }]);
    pool.close();
    await assertRejects(() => open.done, Error, "stopped");
  });
});

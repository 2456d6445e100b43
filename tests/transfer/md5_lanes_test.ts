import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { fileHash } from "../../src/transfer/hash/file_hash.ts";
import { HashPool } from "../../src/transfer/hash/hash_pool.ts";
import { LANE_BYTES, LANES, type Md5Lanes, md5Lanes } from "../../src/transfer/hash/md5_lanes.ts";
import { randomBytes, seeded } from "./fake_source.ts";

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();

function lanesOf(): Md5Lanes {
  const lanes = md5Lanes();
  if (lanes === null) throw new Error("this runtime has no SIMD");
  return lanes;
}

/** Copies `[at, at + bytes)` of each message into its lane. */
function put(lanes: Md5Lanes, messages: readonly Uint8Array[], at: number, bytes: number): void {
  messages.forEach((m, lane) => lanes.inputs[lane]?.set(m.subarray(at, at + bytes)));
}

Deno.test("messages hashed in parallel lanes have the same MD5s as alone, for any length and any pieces", () => {
  const lanes = lanesOf();
  const random = seeded(31);
  const odd = Array.from({ length: 40 }, () => Math.floor(random() * 1000));
  for (const length of [0, 1, 55, 56, 63, 64, 65, 127, 128, 4096, LANE_BYTES, LANE_BYTES + 17, ...odd]) {
    const messages = lanes.inputs.map(() => randomBytes(length, random));
    assertEquals(messages.length, LANES);
    lanes.start();
    let at = 0;
    while (length - at >= 64) {
      const whole = Math.min(LANE_BYTES, length - at) >> 6;
      const bytes = 64 * (length < 1000 ? 1 + Math.floor(random() * whole) : whole);
      put(lanes, messages, at, bytes);
      lanes.update(bytes);
      at += bytes;
    }
    put(lanes, messages, at, length - at);
    assertEquals(lanes.finish(length - at).map((d) => [...d]), messages.map((m) => [...md5(m)]), `${length}`);
  }
});

Deno.test("messages hashed in turns do not affect each other, and can be extended after reading an MD5", () => {
  const random = seeded(34);
  const all = [lanesOf(), lanesOf()].map((lanes) => {
    lanes.start();
    return { lanes, messages: lanes.inputs.map(() => randomBytes(1000, random)) };
  });
  for (let at = 0; at < 960; at += 64) {
    for (const { lanes, messages } of all) {
      put(lanes, messages, at, 40);
      const heads = messages.map((m) => [...md5(m.subarray(0, at + 40))]);
      assertEquals(lanes.finish(40).map((d) => [...d]), heads);
      put(lanes, messages, at, 64);
      lanes.update(64);
    }
  }
  for (const { lanes, messages } of all) {
    put(lanes, messages, 960, 40);
    assertEquals(lanes.finish(40).map((d) => [...d]), messages.map((m) => [...md5(m)]));
  }
});

/** Hashes a file whose bytes are announced in steps; asserts that only announced bytes are hashed. */
function multipartOf(path: string, size: number, part: number, random: () => number): string | undefined {
  const partSizes = partsOf(size, part).map(([start, end]) => end - start);
  using file = Deno.openSync(path);
  const hash = fileHash(file, size, [{ algorithm: "multipart-md5", hex: "", partSizes }]);
  for (let to = 0, at = 0; hash.at < size; to = Math.min(size, to + 1 + Math.floor(random() * size / 5))) {
    while (hash.at < size && hash.ready(to)) {
      hash.step(to);
      assert(hash.at > at && hash.at <= to, `${hash.at} after ${at} of ${to}`);
      at = hash.at;
    }
  }
  return hash.digests()["multipart-md5"];
}

function partsOf(size: number, part: number): [number, number][] {
  return Array.from({ length: Math.ceil(size / part) }, (_, n) => [n * part, Math.min(size, (n + 1) * part)]);
}

Deno.test("a multipart ETag is correct for any number of parts and any size of the last part", async () => {
  const random = seeded(35);
  const path = await Deno.makeTempFile();
  try {
    for (let parts = 1; parts <= 2 * LANES + 3; parts++) {
      for (const last of [1, 55, 63, 64, 65, 128 + Math.floor(random() * 700), 895, 896]) {
        const bytes = randomBytes((parts - 1) * 896 + last, random);
        await Deno.writeFile(path, bytes);
        const expected = createHash("md5");
        for (const [start, end] of partsOf(bytes.length, 896)) {
          expected.update(md5(bytes.subarray(start, end)));
        }
        const found = multipartOf(path, bytes.length, 896, random);
        assertEquals(found, expected.digest("hex"), `${parts} parts, the last of ${last}`);
      }
    }
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a multipart ETag is correct if parts are so large that only some are hashed in parallel lanes", async () => {
  const random = seeded(36);
  const part = 60 * 1024 * 1024, size = 10 * part + 12_345_678;
  const path = await Deno.makeTempFile();
  try {
    // All other parts are holes: zeros that take no space.
    const marked = [0, 6, 7, 8, 10];
    using file = await Deno.open(path, { write: true });
    await file.truncate(size);
    for (const n of marked) {
      await file.seek(n * part + Math.floor(random() * 12_345_000), Deno.SeekMode.Start);
      await file.write(randomBytes(100, random));
    }
    const zeros = md5(new Uint8Array(part));
    const expected = createHash("md5");
    for (const [n, [start, end]] of partsOf(size, part).entries()) {
      expected.update(marked.includes(n) ? md5(await bytesOf(path, start, end)) : zeros);
    }
    assertEquals(multipartOf(path, size, part, random), expected.digest("hex"));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("hashing in parallel lanes starts before the last part is complete, and reads only what is on disk", async () => {
  const part = 4 * 1024 * 1024, size = LANES * part;
  const path = await Deno.makeTempFile();
  try {
    await Deno.truncate(path, size);
    using file = Deno.openSync(path);
    const hash = fileHash(file, size, [{
      algorithm: "multipart-md5",
      hex: "",
      partSizes: partsOf(size, part).map(() => part),
    }]);
    assert(!hash.ready(size - part));
    const to = size - part / 2;
    while (hash.ready(to)) hash.step(to);
    assert(hash.at > size / 4 && hash.at <= size / 2, `${hash.at}`);
  } finally {
    await Deno.remove(path);
  }
});

async function bytesOf(path: string, start: number, end: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(start, Deno.SeekMode.Start);
  const bytes = new Uint8Array(end - start);
  for (let have = 0; have < bytes.length;) have += await file.read(bytes.subarray(have)) ?? bytes.length;
  return bytes;
}

Deno.test("a multipart ETag is correct while the file grows in ranges, for any part size", async () => {
  const random = seeded(32);
  const pool = new HashPool({ workers: 2 });
  const path = await Deno.makeTempFile();
  try {
    for (
      const [part, size] of [[64, 64 * 9], [1000, 9500], [65536, 65536 * 8], [100_032, 1_234_567], [
        192_000,
        999_999,
      ]]
    ) {
      const [partSize, total] = [part ?? 0, size ?? 0];
      const bytes = randomBytes(total, random);
      const starts = Array.from({ length: Math.ceil(total / partSize) }, (_, n) => n * partSize);
      const parts = starts.map((start) => bytes.subarray(start, Math.min(total, start + partSize)));
      const expected = createHash("md5");
      for (const one of parts) expected.update(md5(one));
      await Deno.writeFile(path, bytes);
      const partSizes = parts.map((one) => one.length);
      let counted = 0;
      const job = pool.open(
        path,
        total,
        [{ algorithm: "multipart-md5", hex: "", partSizes }],
        (n) => void (counted += n),
      );
      for (let at = 0; at < total; at += 1 + Math.floor(random() * total / 7)) job.advance(at);
      job.advance(total);
      assertEquals((await job.done)["multipart-md5"], expected.digest("hex"), `${total} in ${partSize}`);
      assertEquals(counted, total);
    }
  } finally {
    pool.close();
    await Deno.remove(path);
  }
});

Deno.test("a changed byte in any part changes the multipart ETag", async () => {
  const bytes = randomBytes(64 * 10 + 7, seeded(33));
  const partSizes = [...Array.from({ length: 10 }, () => 64), 7];
  const pool = new HashPool({ workers: 1 });
  const path = await Deno.makeTempFile();
  try {
    const seen = new Set<string | undefined>();
    for (let at = -64; at < bytes.length; at += 64) {
      const changed = bytes.slice();
      if (at >= 0) changed[at] = (changed[at] ?? 0) ^ 1;
      await Deno.writeFile(path, changed);
      const job = pool.open(path, bytes.length, [{ algorithm: "multipart-md5", hex: "", partSizes }]);
      job.advance(bytes.length);
      seen.add((await job.done)["multipart-md5"]);
    }
    assertEquals(seen.size, 12);
  } finally {
    pool.close();
    await Deno.remove(path);
  }
});

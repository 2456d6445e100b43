import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { digestsOf } from "../../src/transfer/hash/digests.ts";
import { digestsOfFile, fileHash } from "../../src/transfer/hash/file_hash.ts";
import { randomBytes } from "../servers/content.ts";

const MIB = 2 ** 20;

function etagOf(bytes: Uint8Array, part: number): string {
  const outer = createHash("md5");
  for (let at = 0; at < bytes.length; at += part) {
    outer.update(createHash("md5").update(bytes.subarray(at, at + part)).digest());
  }
  return outer.digest("hex");
}

function sizesOf(size: number, part: number): number[] {
  return Array.from({ length: Math.ceil(size / part) }, (_, n) => Math.min(part, size - n * part));
}

for (const right of [1, 2, 3]) {
  Deno.test(`the right one of several guessed part sizes is found: ${right} MiB`, async () => {
    const bytes = randomBytes(13 * MIB + 5);
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeFile(path, bytes);
      using file = await Deno.open(path);
      const [best = [], ...others] = [1, 2, 3].map((part) => sizesOf(bytes.length, part * MIB));
      const hex = etagOf(bytes, right * MIB);
      const spec = { algorithm: "multipart-md5", hex, partSizes: best, otherPartSizes: others } as const;
      const hash = fileHash(file, bytes.length, [spec]);
      while (hash.at < bytes.length) hash.step(bytes.length);
      assertEquals(digestsOfFile(file, bytes.length, [spec], hash), { "multipart-md5": hex });
      // A small file is hashed in memory.
      assertEquals(digestsOf([spec], bytes), { "multipart-md5": hex });
      assertEquals(digestsOf([spec], bytes.with(7, (bytes[7] ?? 0) ^ 1))["multipart-md5"] === hex, false);
    } finally {
      await Deno.remove(path);
    }
  });
}

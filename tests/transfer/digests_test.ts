import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { crc32, crc32c, crc64nvme } from "../../src/transfer/hash/crc.ts";
import { digestMatches, digestSpecs, digestStream } from "../../src/transfer/hash/digests.ts";
import { randomBytes, seeded } from "./fake_source.ts";

const CHECK = new TextEncoder().encode("123456789");

// Check values from the reveng CRC catalogue, and from git and coreutils.
const KNOWN = [
  ["crc32", "cbf43926"],
  ["crc32c", "e3069283"],
  ["crc64nvme", "ae8b14860a799888"],
  ["md5", "25f9e794323b453885f5181f1b624d0b"],
  ["sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"],
  ["sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"],
] as const;

for (const [algorithm, hex] of KNOWN) {
  Deno.test(`${algorithm} of 123456789 matches the published check value`, () => {
    const stream = digestStream([{ algorithm }], CHECK.length);
    stream.update(CHECK);
    assertEquals(stream.digests(), { [algorithm]: hex });
  });
}

Deno.test("git-sha1 is git's blob id", () => {
  // git hash-object on an empty file, and on "hello\n".
  const empty = digestStream([{ algorithm: "git-sha1" }], 0);
  assertEquals(empty.digests(), { "git-sha1": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" });
  const hello = digestStream([{ algorithm: "git-sha1" }], 6);
  hello.update(new TextEncoder().encode("hello\n"));
  assertEquals(hello.digests(), { "git-sha1": "ce013625030ba8dba906f756967f9e9ca394464a" });
});

Deno.test("digests do not depend on how the input is split", () => {
  const random = seeded(1);
  const bytes = randomBytes(100_003, random);
  const partSizes = [40_000, 40_000, 20_003];
  const specs = [
    ...["crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "git-sha1"].map((a) =>
      digestSpecs(null, [a as "md5"])[0]
    ),
    { algorithm: "multipart-md5" as const, hex: "", partSizes },
  ].filter((s) => s !== undefined);
  const whole = digestStream(specs, bytes.length);
  whole.update(bytes);
  const expected = whole.digests();
  for (let round = 0; round < 20; round++) {
    const cut = digestStream(specs, bytes.length);
    for (let at = 0; at < bytes.length;) {
      const n = 1 + Math.floor(random() * 9_000);
      cut.update(bytes.subarray(at, at + n));
      at += n;
    }
    assertEquals(cut.digests(), expected);
  }
});

Deno.test("fast CRCs match the bit-by-bit definition", () => {
  const random = seeded(2);
  for (const length of [0, 1, 7, 8, 9, 63, 1000]) {
    const bytes = randomBytes(length, random);
    for (
      const [make, polynomial, width] of [
        [crc32, 0xedb88320n, 32n],
        [crc32c, 0x82f63b78n, 32n],
        [crc64nvme, 0x9a6c9329ac4bc9b5n, 64n],
      ] as const
    ) {
      const crc = make();
      crc.update(bytes);
      assertEquals(crc.hex(), slowCrc(bytes, polynomial, width));
    }
  }
});

Deno.test("a multipart ETag is the MD5 of its parts' MD5s, for parts of any size", () => {
  const bytes = randomBytes(1000, seeded(3));
  for (const partSizes of [[1000], [500, 500], [333, 333, 334], [1, 998, 1], [600, 0, 400]]) {
    let at = 0;
    const outer = createHash("md5");
    for (const size of partSizes) {
      outer.update(createHash("md5").update(bytes.subarray(at, at += size)).digest());
    }
    const hex = outer.digest("hex");
    const digest = { algorithm: "multipart-md5", hex: `${hex}-${partSizes.length}`, partSizes } as const;
    const stream = digestStream(digestSpecs(digest), 1000);
    for (const byte of bytes) stream.update(Uint8Array.of(byte));
    assertEquals(digestMatches(digest, stream.digests()), true, String(partSizes));
    const other = digestStream(digestSpecs(digest), 1000);
    other.update(bytes.with(999, bytes[999] === 0 ? 1 : 0));
    assertEquals(digestMatches(digest, other.digests()), false);
  }
});

Deno.test("each algorithm is computed once", () => {
  const specs = digestSpecs({ algorithm: "sha256", hex: "00" }, ["sha256", "md5", "multipart-md5"]);
  assertEquals(specs.map(({ algorithm }) => algorithm), ["sha256", "md5"]);
});

function slowCrc(bytes: Uint8Array, polynomial: bigint, width: bigint): string {
  const mask = (1n << width) - 1n;
  let crc = mask;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? crc >> 1n ^ polynomial : crc >> 1n;
  }
  return (crc ^ mask).toString(16).padStart(Number(width / 4n), "0");
}

import { nodeModule } from "../../os/node_module.ts";

/** A running cyclic redundancy check. */
export interface Crc {
  update(bytes: Uint8Array): void;
  /** Big-endian hex, as S3 stores it (there in base64). */
  hex(): string;
}

/** CRC-32 (IEEE 802.3), by zlib. */
export function crc32(): Crc {
  const zlib = nodeModule("node:zlib");
  let value = 0;
  return {
    update: (bytes) => void (value = zlib.crc32(bytes, value)),
    hex: () => hex32(value),
  };
}

/** CRC-32C (Castagnoli, RFC 3720). */
export function crc32c(): Crc {
  const { low: t } = tables32c ??= crcTables(0x82f63b78, 0);
  let crc = 0xffffffff;
  return {
    update(b) {
      let c = crc;
      let i = 0;
      // Slicing by eight: https://create.stephan-brumme.com/crc32/
      for (const end = b.length - 7; i < end; i += 8) {
        c ^= at(b, i) | at(b, i + 1) << 8 | at(b, i + 2) << 16 | at(b, i + 3) << 24;
        c = at(t, 0x700 | c & 255) ^ at(t, 0x600 | c >>> 8 & 255) ^ at(t, 0x500 | c >>> 16 & 255) ^
          at(t, 0x400 | c >>> 24) ^ at(t, 0x300 | at(b, i + 4)) ^ at(t, 0x200 | at(b, i + 5)) ^
          at(t, 0x100 | at(b, i + 6)) ^ at(t, at(b, i + 7));
      }
      for (; i < b.length; i++) c = at(t, (c ^ at(b, i)) & 255) ^ c >>> 8;
      crc = c;
    },
    hex: () => hex32(~crc),
  };
}

/** CRC-64/NVME, which the AWS SDKs store by default (reflected polynomial 0x9a6c9329ac4bc9b5). */
export function crc64nvme(): Crc {
  const { low, high } = tables64 ??= crcTables(0xac4bc9b5, 0x9a6c9329);
  let lo = -1;
  let hi = -1;
  return {
    update(b) {
      let l = lo;
      let h = hi;
      let i = 0;
      for (const end = b.length - 7; i < end; i += 8) {
        l ^= at(b, i) | at(b, i + 1) << 8 | at(b, i + 2) << 16 | at(b, i + 3) << 24;
        h ^= at(b, i + 4) | at(b, i + 5) << 8 | at(b, i + 6) << 16 | at(b, i + 7) << 24;
        const i0 = 0x700 | l & 255;
        const i1 = 0x600 | l >>> 8 & 255;
        const i2 = 0x500 | l >>> 16 & 255;
        const i3 = 0x400 | l >>> 24;
        const i4 = 0x300 | h & 255;
        const i5 = 0x200 | h >>> 8 & 255;
        const i6 = 0x100 | h >>> 16 & 255;
        const i7 = h >>> 24;
        l = at(low, i0) ^ at(low, i1) ^ at(low, i2) ^ at(low, i3) ^ at(low, i4) ^ at(low, i5) ^ at(low, i6) ^
          at(low, i7);
        h = at(high, i0) ^ at(high, i1) ^ at(high, i2) ^ at(high, i3) ^ at(high, i4) ^ at(high, i5) ^
          at(high, i6) ^ at(high, i7);
      }
      for (; i < b.length; i++) {
        const index = (l ^ at(b, i)) & 255;
        l = (l >>> 8 | h << 24) ^ at(low, index);
        h = h >>> 8 ^ at(high, index);
      }
      lo = l;
      hi = h;
    },
    hex: () => hex32(~hi) + hex32(~lo),
  };
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

/** An element whose index is known to be within bounds. */
function at(array: Uint8Array | Int32Array, index: number): number {
  return array[index] as number;
}

/** A table's entries in two halves: the low and the high 32 bits of each. */
interface Tables {
  readonly low: Int32Array;
  readonly high: Int32Array;
}

let tables32c: Tables | undefined;
let tables64: Tables | undefined;

/**
 * Eight tables of 256 entries; the first is for a single byte.
 *
 * @param polynomialLow The low 32 bits, reflected: the complete polynomial of a 32-bit CRC.
 */
function crcTables(polynomialLow: number, polynomialHigh: number): Tables {
  const low = new Int32Array(8 * 256);
  const high = new Int32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let l = n;
    let h = 0;
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = l >>> 1 | h << 31;
      h = h >>> 1;
      if (odd) {
        l ^= polynomialLow;
        h ^= polynomialHigh;
      }
    }
    low[n] = l;
    high[n] = h;
  }
  for (let i = 256; i < low.length; i++) {
    const l = at(low, i - 256);
    const h = at(high, i - 256);
    low[i] = at(low, l & 255) ^ (l >>> 8 | h << 24);
    high[i] = at(high, l & 255) ^ h >>> 8;
  }
  return { low, high };
}

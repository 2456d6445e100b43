/**
 * The checksums that S3 stores, computed slowly by their definitions. Tests compare the program's results
 * with them.
 */

const CRC32 = table32(0xedb88320);
const CRC32C = table32(0x82f63b78);
// The reflected NVMe polynomial, 0x9a6c9329ac4bc9b5, in two halves.
const [CRC64_HIGH, CRC64_LOW] = table64(0x9a6c9329, 0xac4bc9b5);

export function crc32(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return crcBy(CRC32, bytes);
}

export function crc32c(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return crcBy(CRC32C, bytes);
}

export function crc64nvme(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let [high, low] = [0xffffffff, 0xffffffff];
  for (const byte of bytes) {
    const index = (low ^ byte) & 0xff;
    low = (((low >>> 8) | (high << 24)) ^ (CRC64_LOW[index] ?? 0)) >>> 0;
    high = ((high >>> 8) ^ (CRC64_HIGH[index] ?? 0)) >>> 0;
  }
  return bigEndian(~high >>> 0, ~low >>> 0);
}

function crcBy(table: Uint32Array, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return bigEndian(~crc >>> 0);
}

function table32(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
}

function table64(polynomialHigh: number, polynomialLow: number): [Uint32Array, Uint32Array] {
  const [highs, lows] = [new Uint32Array(256), new Uint32Array(256)];
  for (let byte = 0; byte < 256; byte++) {
    let [high, low] = [0, byte];
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1;
      low = (low >>> 1) | (high << 31);
      high = high >>> 1;
      if (odd) [high, low] = [high ^ polynomialHigh, low ^ polynomialLow];
    }
    highs[byte] = high;
    lows[byte] = low;
  }
  return [highs, lows];
}

function bigEndian(...words: number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(words.length * 4);
  words.forEach((word, i) => new DataView(bytes.buffer).setUint32(i * 4, word));
  return bytes;
}

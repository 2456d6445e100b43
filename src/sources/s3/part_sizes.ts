const MIB = 2 ** 20;

/**
 * Part sizes of common uploaders, in MiB, the most common first: the AWS tools and boto3 (8, doubled for large files), MinIO (16),
 * SDKs and rclone (5), s3cmd (15), Cyberduck (10), s5cmd (50), Hadoop (64, 100, 128).
 */
const COMMON = [
  8,
  16,
  5,
  64,
  15,
  10,
  50,
  32,
  100,
  128,
  25,
  20,
  12,
  24,
  40,
  200,
  250,
  256,
  500,
  512,
  1024,
  2048,
]
  .map((n) => n * MIB);

/** Sizes of all parts where the first has this size and only the last may be smaller. */
export function evenParts(size: number, partSize: number): readonly number[] {
  const parts: number[] = [];
  for (let at = 0; at < size; at += partSize) parts.push(Math.min(partSize, size - at));
  return parts;
}

/**
 * The divisions of an object into so many parts that an uploader may have used, the most likely first; empty where nothing points to
 * one. For servers that do not say how an object was uploaded.
 */
export function likelyParts(size: number, count: number): readonly (readonly number[])[] {
  if (count < 1 || size < count) return [];
  if (count === 1) return [[size]];
  // All parts but the last are full: size / count <= part < size / (count - 1).
  const low = Math.ceil(size / count);
  const high = Math.ceil(size / (count - 1)) - 1;
  const fitting = COMMON.filter((part) => part >= low && part <= high);
  const multiples = (unit: number) => {
    const first = Math.ceil(low / unit) * unit;
    // Several multiples fit where parts are few: then none of them is likely.
    return first <= high && first + unit > high ? [first] : [];
  };
  const sizes = fitting.length > 0 ? fitting : [...multiples(MIB), ...multiples(1e6)].slice(0, 1);
  return sizes.map((part) => evenParts(size, part));
}

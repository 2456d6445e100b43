const MIB = 2 ** 20;
/** S3's limits for all parts except the last. */
const SMALLEST = 5 * MIB;
const LARGEST = 5120 * MIB;
/** Maximum divisions to try. */
const GUESSES = 4;

/**
 * Part sizes of common uploaders, in MiB, the most common first: AWS tools and boto3 (8, doubled for large
 * files), MinIO (16), SDKs and rclone (5), s3cmd (15), Cyberduck (10), s5cmd (50), Hadoop (64, 100, 128).
 */
const COMMON = "8 16 5 64 15 10 50 32 100 128 25 20 12 24 40 200 250 256 500 512 1024 2048"
  .split(" ").map((size) => Number(size) * MIB);

/** The sizes of all parts if all except the last have this size. */
export function evenParts(size: number, partSize: number): readonly number[] {
  const parts: number[] = [];
  for (let at = 0; at < size; at += partSize) parts.push(Math.min(partSize, size - at));
  return parts;
}

/**
 * The likely divisions of an object into `count` parts, the most likely first, for servers that do not report
 * how an object was uploaded. Each costs a digest of the complete object, so there are few.
 */
export function likelyParts(size: number, count: number): readonly (readonly number[])[] {
  if (count < 1 || size < count) return [];
  if (count === 1) return [[size]];
  // All parts except the last are full: size / count <= part < size / (count - 1).
  const low = Math.max(SMALLEST, Math.ceil(size / count));
  const high = Math.min(LARGEST, Math.ceil(size / (count - 1)) - 1);
  const sizes = new Set(COMMON.filter((part) => part >= low && part <= high));
  for (const unit of [MIB, 1e6]) {
    for (let part = Math.ceil(low / unit) * unit; part <= high && sizes.size < GUESSES; part += unit) {
      sizes.add(part);
    }
  }
  return [...sizes].slice(0, GUESSES).map((part) => evenParts(size, part));
}

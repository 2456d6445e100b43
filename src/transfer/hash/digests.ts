import { nodeModule } from "../../os/node_module.ts";
import type { Digest, DigestAlgorithm } from "../../sources/manifest.ts";
import { type Crc, crc32, crc32c, crc64nvme } from "./crc.ts";
import type { ComputedDigests } from "../types.ts";

/** What to compute: an algorithm, or a multipart ETag with its part sizes. It is sent to a worker. */
export type DigestSpec =
  | { readonly algorithm: Exclude<DigestAlgorithm, "multipart-md5"> }
  | MultipartDigest;

type MultipartDigest = Extract<Digest, { readonly algorithm: "multipart-md5" }>;

/** What to compute to check `digest`, if any, and to get the `others`; each algorithm once. */
export function digestSpecs(digest: Digest | null, others: readonly DigestAlgorithm[] = []): DigestSpec[] {
  // A multipart ETag needs part sizes.
  const further = others.filter((algorithm) => algorithm !== "multipart-md5")
    .filter((algorithm) => algorithm !== digest?.algorithm);
  return [...digest === null ? [] : [digest], ...further.map((algorithm) => ({ algorithm }))];
}

/** True if only a match proves anything: a multipart ETag whose part sizes are guesses. */
export function isGuess(digest: Digest): boolean {
  return digest.algorithm === "multipart-md5" && digest.otherPartSizes !== undefined;
}

/** True if the computed digest is the expected one. A multipart ETag may end in `-N`. */
export function digestMatches(expected: Digest, computed: ComputedDigests): boolean {
  return plainHex(expected.hex) === computed[expected.algorithm];
}

function plainHex(hex: string): string {
  return hex.toLowerCase().replace(/-\d+$/, "");
}

/** Several digests of one file in one pass. */
export interface DigestStream {
  update(bytes: Uint8Array): void;
  digests(): ComputedDigests;
}

/** Starts digests of a file of `size` bytes: git's blob id hashes the size before the content. */
export function digestStream(specs: readonly DigestSpec[], size: number): DigestStream {
  const running = specs.map((spec) => ({ algorithm: spec.algorithm, hash: start(spec, size) }));
  return {
    update(bytes) {
      for (const { hash } of running) hash.update(bytes);
    },
    digests: () => Object.fromEntries(running.map(({ algorithm, hash }) => [algorithm, hash.hex()])),
  };
}

export function digestsOf(specs: readonly DigestSpec[], bytes: Uint8Array): ComputedDigests {
  const compute = (wanted: readonly DigestSpec[]) => {
    const stream = digestStream(wanted, bytes.length);
    stream.update(bytes);
    return stream.digests();
  };
  return tryOtherGuesses(specs, compute(specs), (guess) => compute([guess]));
}

/**
 * Tries the other guesses of a multipart ETag's part sizes until one matches. Each costs a digest of the
 * complete file, so they are tried only if the likeliest sizes are wrong.
 *
 * @param digests Of all `specs`; for a multipart ETag, with the likeliest sizes.
 * @param compute Computes the digest with other sizes.
 */
export function tryOtherGuesses(
  specs: readonly DigestSpec[],
  digests: ComputedDigests,
  compute: (guess: MultipartDigest) => ComputedDigests,
): ComputedDigests {
  const multipart = specs.find((spec) => spec.algorithm === "multipart-md5");
  if (multipart === undefined || digestMatches(multipart, digests)) return digests;
  const { algorithm, hex, otherPartSizes = [] } = multipart;
  const others = otherPartSizes.values().map((partSizes) => compute({ algorithm, hex, partSizes }));
  return { ...digests, ...others.find((guess) => digestMatches(multipart, guess)) };
}

function start(spec: DigestSpec, size: number): Crc {
  return spec.algorithm === "multipart-md5" ? multipartMd5(spec.partSizes) : STARTS[spec.algorithm](size);
}

const STARTS: Readonly<Record<Exclude<DigestAlgorithm, "multipart-md5">, (size: number) => Crc>> = {
  sha256: () => native("sha256"),
  sha1: () => native("sha1"),
  md5: () => native("md5"),
  "git-sha1": (size) => {
    const hash = native("sha1");
    hash.update(new TextEncoder().encode(`blob ${size}\0`));
    return hash;
  },
  crc64nvme,
  crc32c,
  crc32,
};

function native(algorithm: "sha256" | "sha1" | "md5"): Crc {
  const hash = nodeModule("node:crypto").createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

/** The MD5 of the parts' binary MD5s. Bytes after the last part are added to it, so that they are noticed. */
function multipartMd5(partSizes: readonly number[]): Crc {
  const outer = nodeModule("node:crypto").createHash("md5");
  let part = 0;
  let left = partSizes[0] ?? Infinity;
  let inner = nodeModule("node:crypto").createHash("md5");
  const next = () => {
    outer.update(inner.digest());
    inner = nodeModule("node:crypto").createHash("md5");
    part++;
    left = partSizes[part] ?? Infinity;
  };
  return {
    update(bytes) {
      for (let at = 0; at < bytes.length;) {
        if (left === 0 && part + 1 < partSizes.length) next();
        const take = part + 1 < partSizes.length ? Math.min(left, bytes.length - at) : bytes.length - at;
        inner.update(bytes.subarray(at, at + take));
        left -= take;
        at += take;
      }
    },
    hex() {
      while (part < partSizes.length) next();
      return outer.digest("hex");
    },
  };
}

/** A full 40-digit git commit id, or the digest that stands for one in an S3 snapshot. */
export type CommitSha = string & { readonly __brand: "CommitSha" };

/** A path inside a model: relative, `/`-separated, without `.`, `..`, empty parts, NUL or backslash. */
export type RelativePath = string & { readonly __brand: "RelativePath" };

/** A half-open range of bytes `[start, end)`, unlike HTTP's, whose end is inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What a source says the bytes of a file hash to.
 *
 * - `sha256`: hex; the hub's LFS object id, or an S3 full-object checksum.
 * - `git-sha1`: hex; git's blob id, SHA-1 over `blob <size>\0` and the bytes.
 * - `md5`: hex; a plain S3 ETag.
 * - `multipart-md5`: hex and `partSizes`, the size of each uploaded part in order; a multipart ETag `hex-N`
 * is the MD5 of the parts' binary MD5s.
 * - `crc64nvme`, `crc32c`, `crc32`, `sha1`: hex (big-endian); S3 full-object checksums.
 */
export type Digest =
  | {
    readonly algorithm: "sha256" | "git-sha1" | "md5" | "crc64nvme" | "crc32c" | "crc32" | "sha1";
    readonly hex: string;
  }
  | {
    readonly algorithm: "multipart-md5";
    readonly hex: string;
    readonly partSizes: readonly number[];
    /**
     * Present, if perhaps empty, where the server does not say how the object was uploaded, so that all
     * divisions are guesses: these and `partSizes`. A match with any is a proof; no match says nothing, and
     * the file counts as unproven.
     */
    readonly otherPartSizes?: readonly (readonly number[])[];
  };

export type DigestAlgorithm = Digest["algorithm"];

/** One file of a model. */
export interface ManifestFile {
  readonly path: RelativePath;
  /** Bytes. */
  readonly size: number;
  /**
   * `null` only where the source stores nothing that proves the bytes (S3 with SSE-KMS, say); then size alone
   * is checked, and said so.
   */
  readonly digest: Digest | null;
  /**
   * The source's ETag without quotes or `W/`: the hub's linked ETag (SHA-256 of LFS files, else git SHA-1),
   * or S3's. It binds part records and `If-Match`.
   */
  readonly etag: string;
  /** The hub's xet hash, where the file is stored in xet. */
  readonly xetHash?: string;
}

/** A tar archive, packed or not, that a source has in place of files: what it holds is known once it is here. */
export interface Archive {
  /** As it is fetched. Its path is a name for messages, its ETag the SHA-256. */
  readonly file: ManifestFile;
  /** `image`: a layer of a container image, of which only the model's folder counts. */
  readonly kind: "files" | "image";
  /** SHA-256 of what it unpacks to, hex; `null` where nothing says. */
  readonly diffId: string | null;
}

/** What a model consists of, at one commit. */
export interface Manifest {
  /** Canonical: `hf://org/model` or `s3://bucket/prefix`. */
  readonly source: string;
  /** The revision asked for (`main`, a tag, a commit); `null` for S3. */
  readonly revision: string | null;
  /** The hub's commit; for S3, `null` until every file's SHA-256 is known. */
  readonly commit: CommitSha | null;
  /** The source has more, which globs left out. @default {false} */
  readonly filtered?: boolean;
  /** Globs that matched nothing. @default {none} */
  readonly unmatched?: readonly string[];
  /** Sorted by path, no path twice, none a directory of another. */
  readonly files: readonly ManifestFile[];
  /** Archives whose files are not among these yet, the lowest layer first. @default {none} */
  readonly archives?: readonly Archive[];
}

/** Sum of all file sizes, in bytes; of an archive, what is fetched. */
export function totalBytes({ files, archives = [] }: Pick<Manifest, "files" | "archives">): number {
  return [...files, ...archives.map(({ file }) => file)].reduce((sum, file) => sum + file.size, 0);
}

/** A full 40-digit git commit id; for a snapshot from S3, a digest instead. */
export type CommitSha = string & { readonly __brand: "CommitSha" };

/** A path inside a model: relative, `/`-separated, without `.`, `..`, empty parts, NUL or backslash. */
export type RelativePath = string & { readonly __brand: "RelativePath" };

/** A half-open range of bytes `[start, end)`, unlike HTTP's, whose end is inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The digest of a file's bytes, according to its source, in hex (big-endian).
 *
 * - `git-sha1`: git's blob id, SHA-1 over `blob <size>\0` and the bytes.
 * - `multipart-md5`: S3's, the MD5 of the binary MD5s of the uploaded parts; `partSizes` are in their order.
 * - The others are over the file's bytes.
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
     * Further guesses, set (maybe empty) if `partSizes` is a guess, since the server does not report how the
     * object was uploaded. A match with any guess proves the file; without a match, nothing is known.
     */
    readonly otherPartSizes?: readonly (readonly number[])[];
  };

export type DigestAlgorithm = Digest["algorithm"];

export interface ManifestFile {
  readonly path: RelativePath;
  /** Bytes. */
  readonly size: number;
  /** `null` if the source has no digest (S3 with SSE-KMS, for example): only the size is checked. */
  readonly digest: Digest | null;
  /** Without quotes and `W/`: the hub's linked ETag (SHA-256 of LFS files, else git SHA-1), or S3's. */
  readonly etag: string;
  readonly xetHash?: string;
}

/**
 * A tar archive, perhaps compressed, or a compressed file, that a source stores instead of files. Its
 * content is known only after the download.
 */
export interface Archive {
  /** The archive itself. Its path is a name for messages, its ETag the SHA-256. */
  readonly file: ManifestFile;
  /**
   * `image`: a layer of a container image, with the model below `/models`. `folder`: the model is only in
   * archives, and leading folders that all its files share are dropped. `files`: there are plain files too.
   */
  readonly kind: "image" | "folder" | "files";
  /** The path of a compressed file; `null` for a tar archive. */
  readonly path: RelativePath | null;
}

/** The files of a model at one commit. */
export interface Manifest {
  /** Canonical: `hf://org/model` or `s3://bucket/prefix`. */
  readonly source: string;
  /** The requested revision (`main`, a tag, a commit); `null` for S3. */
  readonly revision: string | null;
  /** The hub's commit; `null` for S3. */
  readonly commit: CommitSha | null;
  /** Whether globs excluded files of the source. @default {false} */
  readonly filtered?: boolean;
  /** Sorted by path, no path twice, none a directory of another. */
  readonly files: readonly ManifestFile[];
  /** Archives whose files are not in `files` yet, lowest layer first. @default {none} */
  readonly archives?: readonly Archive[];
}

/** Sum of all sizes, in bytes; an archive counts with its download size. */
export function totalBytes(
  { files, archives = [] }: Pick<Manifest, "archives"> & { readonly files: readonly Sized[] },
): number {
  return [...files, ...archives.map(({ file }): Sized => file)].reduce((sum, { size }) => sum + size, 0);
}

type Sized = Pick<ManifestFile, "size">;

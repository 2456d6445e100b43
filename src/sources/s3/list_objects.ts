import type { ListObjectsCommandOutput, ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { loadLibrary } from "../../libraries/load_library.ts";
import { plainEtag } from "../range_body.ts";
import type { S3Bucket } from "./s3_bucket.ts";

/** An object in a list. */
export interface ListedObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Without quotes; `null` if the list has none. */
  readonly etag: string | null;
  readonly modified: Date | null;
}

type Page =
  & Pick<ListObjectsCommandOutput, "Contents" | "IsTruncated" | "EncodingType">
  & Partial<Pick<ListObjectsV2CommandOutput, "NextContinuationToken">>;

/** Far more than any model has. */
const MOST_OBJECTS = 200_000;
const MOST_PAGES = 2000;

/**
 * Lists all objects below a directory of a bucket, by version 2 of the API, or by version 1 if the server has only
 * that.
 *
 * @param directory The prefix of the keys, with a slash at the end; empty for the complete bucket.
 * @throws {AimError} as {@linkcode S3Bucket.ask}, and `network` for an invalid or endless list.
 */
export async function listObjects(
  bucket: S3Bucket,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<ListedObject[]> {
  const { ListObjectsCommand, ListObjectsV2Command } = await loadLibrary("aws_s3");
  // Without an encoding, one key with a control character makes the answer invalid XML.
  const input = {
    Bucket: bucket.name,
    Prefix: directory,
    EncodingType: "url",
    ...bucket.listParameters,
  } as const;
  const listed: ListedObject[] = [];
  const seen = new Set<string>();
  /** `null` for version 1. */
  let token: string | null | undefined;
  while (true) {
    const last = listed.at(-1)?.key;
    let page: Page | null = null;
    if (token !== null) {
      const command = new ListObjectsV2Command({
        ...input,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const tolerated = token === undefined ? [400, 405, 501] : [];
      page = await bucket.ask(null, signal, (client, options) => client.send(command, options), tolerated);
    }
    if (page === null) {
      token = null;
      const command = new ListObjectsCommand({ ...input, ...(last === undefined ? {} : { Marker: last }) });
      page = await bucket.ask(null, signal, (client, options) => client.send(command, options)) ?? {};
    }
    listed.push(...objectsOf(page, bucket, directory));
    if (!page.IsTruncated) return listed;
    // Version 1, which a server may also send for version 2, continues after the last key.
    token = token === null ? null : page.NextContinuationToken ?? null;
    const next = token ?? listed.at(-1)?.key;
    if (next === undefined || seen.has(next)) throw bucket.odd("its list does not say where it continues");
    seen.add(next);
    if (listed.length > MOST_OBJECTS || seen.size >= MOST_PAGES) {
      throw bucket.odd(`its list does not end after ${listed.length} objects on ${seen.size} pages`);
    }
  }
}

function objectsOf(page: Page, bucket: S3Bucket, directory: string): ListedObject[] {
  const decode = page.EncodingType === "url" ? decodeKey : (text: string) => text;
  return (page.Contents ?? []).map(({ Key, Size, ETag, LastModified }) => {
    const key = decode(Key ?? "");
    if (Key === undefined || !key.startsWith(directory)) throw bucket.odd(`it lists ${JSON.stringify(key)}`);
    if (!Number.isSafeInteger(Size) || Size === undefined || Size < 0) {
      throw bucket.odd(`it lists ${JSON.stringify(key)} with the size ${Size}`);
    }
    const modified = LastModified === undefined || Number.isNaN(LastModified.getTime()) ? null : LastModified;
    return { key, size: Size, etag: plainEtag(ETag ?? null) || null, modified };
  });
}

/**
 * Keys in a list with `encoding-type=url`: AWS writes a space as `+`, Ceph as `%20`; a plus is `%2B` in both.
 */
function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    // Not UTF-8. The NUL makes the check of names refuse it.
    return `${text}\0`;
  }
}

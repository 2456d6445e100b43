import type { ListObjectsCommandOutput, ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { loadLibrary } from "../../libraries/load_library.ts";
import { plainEtag } from "../range_body.ts";
import type { S3Bucket } from "./s3_bucket.ts";

/** What a list says of an object. */
export interface ListedObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Without quotes; `null` where the list does not say. */
  readonly etag: string | null;
  readonly modified: Date | null;
}

type Page =
  & Pick<ListObjectsV2CommandOutput & ListObjectsCommandOutput, "Contents" | "IsTruncated" | "EncodingType">
  & {
    readonly NextContinuationToken?: string | undefined;
  };

/** Far above the files of any model: a list that goes on is not one. */
const MOST_OBJECTS = 200_000;
const MOST_PAGES = 2000;

/**
 * Lists every object below a directory of a bucket: by version 2 of the API, and by version 1 at servers that
 * know only that.
 *
 * @param directory The beginning of the keys, with a slash at the end; empty for the whole bucket.
 * @throws {AimError} as {@linkcode S3Bucket.ask}, and `network` for a list that makes no sense or does not
 * end.
 */
export async function listObjects(
  bucket: S3Bucket,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<ListedObject[]> {
  const { ListObjectsCommand, ListObjectsV2Command } = await loadLibrary("aws_s3");
  // Without an encoding, a key with a control character makes the whole answer unreadable.
  const input = {
    Bucket: bucket.name,
    Prefix: directory,
    EncodingType: "url",
    ...bucket.listParameters,
  } as const;
  const listed: ListedObject[] = [];
  const seen = new Set<string>();
  /** `null`: version 1 is spoken. */
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
    // Version 1, also where version 2 was asked for, goes on after the last key.
    token = token === null ? null : page.NextContinuationToken ?? null;
    const next = token ?? listed.at(-1)?.key;
    if (next === undefined || seen.has(next)) throw bucket.odd("its list does not say how it goes on");
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
    // Bytes that are no UTF-8: a name that no check lets pass.
    return `${text}\0`;
  }
}

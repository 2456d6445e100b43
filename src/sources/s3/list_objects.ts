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
  /** As the server writes it; `null` if it does not say. */
  readonly modified: string | null;
}

/** Far more than any model has. */
const MOST_OBJECTS = 200_000;
const MOST_PAGES = 2000;
/** Statuses of servers that have only version 1. */
const NO_VERSION_2 = [400, 405, 501];

/**
 * Lists all objects below a directory of a bucket, by version 2 of the API, or by version 1 if the server has only
 * that.
 *
 * @param directory The prefix of the keys, with a slash at the end; empty for the complete bucket.
 * @throws {AimError} as {@linkcode S3Bucket.list}, and `network` for an invalid or endless list.
 */
export async function listObjects(
  bucket: S3Bucket,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<ListedObject[]> {
  const { parseXML } = await loadLibrary("aws_s3");
  const listed: ListedObject[] = [];
  const seen = new Set<string>();
  let version: 1 | 2 = 2;
  let next: string | undefined;
  while (true) {
    const text = await bucket.list(
      {
        prefix: directory,
        // Otherwise one key with a control character makes the answer invalid XML.
        "encoding-type": "url",
        ...(version === 2 ? { "list-type": "2" } : {}),
        ...(next === undefined ? {} : { [version === 2 ? "continuation-token" : "marker"]: next }),
      },
      signal,
      version === 2 && next === undefined ? NO_VERSION_2 : [],
    );
    if (text === null) {
      version = 1;
      continue;
    }
    const page = pageIn(text, parseXML, bucket);
    listed.push(...objectsOf(page, bucket, directory));
    if (page.IsTruncated !== "true") return listed;
    // Version 1, which a server may also send for version 2, continues after the last key.
    if (!page.NextContinuationToken) version = 1;
    next = version === 1 ? listed.at(-1)?.key : textOf(page.NextContinuationToken);
    if (next === undefined || seen.has(next)) throw bucket.odd("its list does not say where it continues");
    seen.add(next);
    if (listed.length > MOST_OBJECTS || seen.size >= MOST_PAGES) {
      throw bucket.odd(`its list does not end after ${listed.length} objects on ${seen.size} pages`);
    }
  }
}

/** A parsed element: text, or by name its elements, of which several with one name are an array. */
type Element = Readonly<Record<string, unknown>>;

function pageIn(text: string, parse: (xml: string) => unknown, bucket: S3Bucket): Element {
  if (!text.includes("<ListBucketResult")) {
    const what = /<html|<!doctype html/i.test(text) ? "a web page" : "something else";
    throw bucket.odd(`${what} instead of a list of objects`);
  }
  try {
    return elementOf(elementOf(parse(text)).ListBucketResult);
  } catch (error) {
    throw bucket.odd("its list is not valid XML", error);
  }
}

function objectsOf(page: Element, bucket: S3Bucket, directory: string): ListedObject[] {
  const decode = page.EncodingType === "url" ? decodeKey : (text: string) => text;
  return [page.Contents ?? []].flat().map(elementOf).map((entry) => {
    const key = decode(textOf(entry.Key) ?? "");
    if (entry.Key === undefined || !key.startsWith(directory)) {
      throw bucket.odd(`it lists ${shown(key)}`);
    }
    const size = /^\d{1,15}$/.test(textOf(entry.Size) ?? "") ? Number(entry.Size) : null;
    if (size === null) throw bucket.odd(`it lists ${shown(key)} with the size ${shown(entry.Size)}`);
    const etag = plainEtag(textOf(entry.ETag) ?? null) || null;
    return { key, size, etag, modified: textOf(entry.LastModified) ?? null };
  });
}

function elementOf(value: unknown): Element {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function shown(value: unknown): string {
  return `${JSON.stringify(value)}`.slice(0, 160);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
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

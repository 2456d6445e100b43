import { loadLibrary } from "../../libraries/load_library.ts";
import { fieldsOf } from "../../values/json.ts";
import { plainEtag } from "../range_body.ts";
import type { S3Bucket } from "./s3_bucket.ts";

export interface ListedObject {
  readonly key: string;
  /** The key below the directory, without the empty parts that S3 allows. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Without quotes; `null` if the list has none. */
  readonly etag: string | null;
  /** As the server writes it; `null` if the list has none. */
  readonly modified: string | null;
}

/** Far more than any model has. */
const MOST_OBJECTS = 200_000;
const MOST_PAGES = 2000;

/**
 * Lists all objects below a directory (with a slash at the end, or empty) by version 1 of the API, which
 * every server supports. The empty objects that consoles create as folders are skipped.
 *
 * @throws {AimError} `network` for an invalid or endless list; a refusal.
 */
export async function listObjects(
  bucket: S3Bucket,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<ListedObject[]> {
  const { parseXML } = await loadLibrary("aws_s3");
  const listed: ListedObject[] = [];
  const seen = new Set<string>();
  let query: Record<string, string> = {
    prefix: directory,
    // Otherwise one key with a control character makes the response invalid XML.
    "encoding-type": "url",
  };
  while (true) {
    const answer = await bucket.send({ method: "GET", key: "", query, signal });
    const page = pageIn(await answer.text(), parseXML, bucket);
    const decode = page.EncodingType === "url" ? decodeKey : (text: string) => text;
    listed.push(...objectsOf(page.Contents, decode, directory, bucket));
    if (page.IsTruncated !== "true") {
      return listed.filter(({ path, size }) => size > 0 || path !== "" && !path.endsWith("/"));
    }
    // Not NextMarker: AWS sends none without a delimiter, and Ceph sends it without the requested encoding.
    const marker = listed.at(-1)?.key;
    if (marker === undefined || seen.has(marker)) {
      throw bucket.odd("its list does not say where it continues");
    }
    seen.add(marker);
    if (listed.length > MOST_OBJECTS || seen.size >= MOST_PAGES) {
      throw bucket.odd(`its list does not end after ${listed.length} objects on ${seen.size} pages`);
    }
    query = { ...query, marker };
  }
}

/** The elements of a page by name; several with the same name are an array. */
function pageIn(text: string, parse: (xml: string) => unknown, bucket: S3Bucket) {
  if (!text.includes("<ListBucketResult")) {
    const what = /<html|<!doctype html/i.test(text) ? "a web page" : "something else";
    throw bucket.odd(`${what} instead of a list of objects`);
  }
  try {
    return fieldsOf(fieldsOf(parse(text)).ListBucketResult);
  } catch (error) {
    throw bucket.odd("its list is not valid XML", error);
  }
}

function objectsOf(
  contents: unknown,
  decode: (text: string) => string,
  directory: string,
  bucket: S3Bucket,
): ListedObject[] {
  return [contents ?? []].flat().map(fieldsOf).map((entry) => {
    const key = decode(textOf(entry.Key) ?? "");
    const shown = JSON.stringify(key).slice(0, 160);
    if (entry.Key === undefined || !key.startsWith(directory)) {
      throw bucket.odd(`it lists ${shown}, which is not below the prefix`);
    }
    const size = textOf(entry.Size) ?? "";
    if (!/^\d{1,15}$/.test(size)) throw bucket.odd(`it lists ${shown} with the size ${JSON.stringify(size)}`);
    const etag = plainEtag(textOf(entry.ETag) ?? null) || null;
    const path = pathOf(key.slice(directory.length));
    return { key, path, size: Number(size), etag, modified: textOf(entry.LastModified) ?? null };
  });
}

function pathOf(key: string): string {
  return key.split("/").filter((part, i, parts) => part !== "" || i === parts.length - 1).join("/");
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
    // Not UTF-8. The NUL makes the check of paths reject it.
    return `${text}\0`;
  }
}

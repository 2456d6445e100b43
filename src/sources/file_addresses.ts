import type { ManifestFile } from "./manifest.ts";
import { SourceChangedError } from "./source.ts";
import { isTransientStatus } from "./transport/passing_fault.ts";
import { discard } from "./transport/read_bounded.ts";
import type { FoundAnswer } from "./transport/redirect.ts";
import type { RequestHeaders } from "./transport/http_connection.ts";

/** A file whose ETag is its digest. */
type AskedFile = { readonly path: string } & Pick<ManifestFile, "etag">;

/** Sends a request and follows redirects. */
type Send<Answer> = (url: URL, headers: RequestHeaders) => Promise<Answer>;

/** A strong ETag that is a SHA-256, as olah and registries send it. */
const DIGEST_TAG = /^"(?:sha256:)?([0-9a-f]{64})"$/;

/** Where a server's files are. It may redirect to signed addresses at other origins, which expire. */
export class FileAddresses {
  /** Addresses at other origins, by the server's own address of the file. */
  readonly #found = new Map<string, URL>();
  /**
   * ETags that contain the file's digest, by origin and digest; `null` for a server that cannot compare them.
   * Other ETags are not used for `If-Range`: if a mirror's nodes have different ones, each request for a part
   * would return the complete file.
   */
  readonly #tags = new Map<string, string | null>();

  /**
   * Requests a file from where it was found last, else from `first`, its server's own address.
   *
   * @throws {SourceChangedError} the server now has different content at this address.
   */
  async ask<Answer extends FoundAnswer>(
    file: AskedFile,
    first: URL,
    headers: RequestHeaders,
    send: Send<Answer>,
  ): Promise<Answer> {
    const known = this.#found.get(first.href);
    if (known !== undefined) {
      const answer = await this.#askAt(known, file, headers, send);
      const { response: { ok, status } } = answer;
      // A transient error does not mean that the address is wrong.
      if (ok || status === 416 || isTransientStatus(status)) return answer;
      this.#found.delete(first.href);
      await discard(answer.response);
    }
    const answer = await this.#askAt(first, file, headers, send);
    if (answer.response.ok && answer.url.origin !== first.origin) this.#found.set(first.href, answer.url);
    return answer;
  }

  async #askAt<Answer extends FoundAnswer>(
    url: URL,
    { path, etag }: AskedFile,
    headers: RequestHeaders,
    send: Send<Answer>,
  ): Promise<Answer> {
    const sent = headers.range === undefined ? null : this.#tags.get(`${url.origin} ${etag}`) ?? null;
    const answer = await send(url, sent === null ? headers : { ...headers, "if-range": sent });
    const { status, headers: answered } = answer.response;
    const tag = answered.get("etag") ?? "";
    const digest = DIGEST_TAG.exec(tag)?.[1];
    const key = `${answer.url.origin} ${etag}`;
    if (status === 206 && digest === etag && this.#tags.get(key) === undefined) this.#tags.set(key, tag);
    if (sent === null || status !== 200 || answer.url.origin !== url.origin) return answer;
    await answer.response.body?.cancel();
    if (digest !== undefined && digest !== etag) {
      throw new SourceChangedError(`${path} has ETag ${digest}, it was ${etag}`);
    }
    this.#tags.set(key, null);
    return await send(url, headers);
  }
}

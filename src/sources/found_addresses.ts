import { discard, isTransientStatus } from "./transport/transport.ts";

/** An answer after all redirects. */
export interface FoundAnswer {
  readonly response: Response;
  /** The address that gave it. */
  readonly url: URL;
}

/**
 * Addresses outside of a server to which it redirects for its files. They are signed and expire, and many parts of a
 * file are read from one.
 */
export class FoundAddresses {
  /** By the server's own address of the file. */
  readonly #found = new Map<string, URL>();

  /**
   * Requests a file where it was found last, else from its server.
   *
   * @param first The server's own address of the file.
   * @param send Sends a request and follows redirects.
   */
  async ask<Answer extends FoundAnswer>(first: URL, send: (url: URL) => Promise<Answer>): Promise<Answer> {
    const known = this.#found.get(first.href);
    if (known !== undefined) {
      const answer = await send(known);
      const { response: { ok, status } } = answer;
      if (!ok) this.#found.delete(first.href);
      if (ok || status === 416 || isTransientStatus(status)) return answer;
      await discard(answer.response);
    }
    const answer = await send(first);
    if (answer.response.ok && answer.url.origin !== first.origin) this.#found.set(first.href, answer.url);
    return answer;
  }
}

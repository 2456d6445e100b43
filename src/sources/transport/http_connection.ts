import { TransientError } from "../source.ts";
import { type Head, headEnd, parseHead } from "./http_head.ts";

/** Holds the longest head, and a few small answers. */
const BUFFER = 128 * 1024;
const LONGEST_HEAD = 32 * 1024;
const METHOD = new TextEncoder().encode("GET ");

/** The connection ended before any byte of an answer. */
export class NothingCame extends Error {}

/** A connection to a server: requests go out, and what comes is taken head by head and body by body. */
export class HttpConnection {
  /** Milliseconds that opening it took. */
  readonly opening: number;
  /** When it became idle. */
  since = 0;
  readonly #conn: Deno.Conn;
  readonly #buffer = new Uint8Array(BUFFER);
  /** What has come and was not taken yet. */
  #start = 0;
  #end = 0;
  /** The next request has begun: its method is sent. */
  #begun = false;

  constructor(conn: Deno.Conn, opening: number) {
    this.#conn = conn;
    this.opening = opening;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Bytes that have come and were not taken yet. */
  get waiting(): number {
    return this.#end - this.#start;
  }

  /** Sends requests. @throws {NothingCame} */
  async send(requests: Uint8Array): Promise<void> {
    try {
      await this.#write(this.#begun ? requests.subarray(METHOD.length) : requests);
      this.#begun = false;
    } catch (error) {
      throw new NothingCame("the connection was closed before the request", { cause: error });
    }
  }

  /** Sends the method of the next request. */
  async begin(): Promise<void> {
    this.#begun = true;
    await this.#write(METHOD);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
  }

  /** Reads the head of the next answer. @throws {NothingCame | TransientError} */
  async head(): Promise<Head> {
    for (let searched = this.#start;;) {
      const end = headEnd(this.#buffer, this.#start, searched, this.#end);
      if (end !== null) {
        const head = parseHead(this.#buffer.subarray(this.#start, end));
        this.#start = searched = end;
        // 100 and 103 come before the answer.
        if (head.status >= 200) return head;
        continue;
      }
      if (this.waiting >= LONGEST_HEAD) {
        throw new TransientError("the server's answer has a head without end");
      }
      const behind = Math.max(0, this.waiting - 3);
      await this.#more(this.waiting === 0);
      searched = this.#start + behind;
    }
  }

  /**
   * Bytes of a body.
   *
   * @param into As many as are wanted; more are never taken.
   * @param ahead Further answers are on their way: they may be read along.
   * @returns How many there are; `null` where the connection has ended.
   */
  async read(into: Uint8Array, ahead: boolean): Promise<number | null> {
    if (this.waiting === 0) {
      if (!ahead || into.length >= BUFFER) return await this.#conn.read(into);
      this.#start = this.#end = 0;
      const count = await this.#conn.read(this.#buffer);
      if (count === null) return null;
      this.#end = count;
    }
    const count = Math.min(into.length, this.waiting);
    into.set(this.#buffer.subarray(this.#start, this.#start + count));
    this.#start += count;
    return count;
  }

  close(): void {
    try {
      this.#conn.close();
    } catch { /* closed already */ }
  }

  /** Reads on behind what is there. @param first No byte of the answer has come. */
  async #more(first: boolean): Promise<void> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await this.#conn.read(this.#buffer.subarray(this.#end)).catch((error) => {
      throw first ? new NothingCame("the connection was reset", { cause: error }) : error;
    });
    if (count === null) {
      throw first ? new NothingCame("connection closed before an answer") : new Error("unexpected eof");
    }
    this.#end += count;
  }
}

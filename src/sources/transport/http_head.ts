import { TransientError } from "../source.ts";
import type { AnswerHeaders } from "./answer.ts";

/** The head of an answer. */
export interface Head {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** Content-Length; `null` where the body is delimited in another way. */
  readonly length: number | null;
  /** Another request may follow on the connection. */
  readonly reusable: boolean;
}

/** Where the empty line that closes a head ends, in `buffer[from, to)`; `null` where it is not there. @param start Of the head. */
export function headEnd(buffer: Uint8Array, start: number, from: number, to: number): number | null {
  for (let at = buffer.indexOf(10, from); at >= 0 && at < to; at = buffer.indexOf(10, at + 1)) {
    if (at >= start + 3 && buffer[at - 1] === 13 && buffer[at - 2] === 10 && buffer[at - 3] === 13) {
      return at + 1;
    }
  }
  return null;
}

/**
 * Reads a status line and header fields (RFC 9112), each byte a character.
 *
 * @param bytes With the empty line at their end.
 * @throws {TransientError} where they are none.
 */
export function parseHead(bytes: Uint8Array): Head {
  const text = characters(bytes);
  const first = text.slice(0, text.indexOf("\r\n"));
  const [, minor, code] = /^HTTP\/1\.([01]) (\d{3})(?: .*)?$/.exec(first) ?? [];
  const headers = new HeaderFields(text.slice(first.length, -2));
  const status = Number(code ?? 0);
  if (status < 100 || status > 599) throw new TransientError("the server's answer is not HTTP/1.1");
  return {
    status,
    headers,
    length: lengthOf(status, headers),
    reusable: minor === "1" && !/\bclose\b/i.test(headers.get("connection") ?? ""),
  };
}

/** As `Headers`, at a fraction of its cost: a head has more fields than anyone asks for. */
class HeaderFields implements AnswerHeaders {
  readonly #text: string;
  readonly #lower: string;

  /** @param text Lines, each with a line break before and after it. @throws {TransientError} where one is no field. */
  constructor(text: string) {
    for (let at = 0, end = text.indexOf("\r\n", 2); end >= 0; at = end, end = text.indexOf("\r\n", at + 2)) {
      const colon = text.indexOf(":", at + 2);
      if (colon <= at + 2 || colon > end) throw new TransientError("the server's answer has a broken head");
    }
    this.#text = text;
    this.#lower = text.toLowerCase();
  }

  get(name: string): string | null {
    const before = `\r\n${name.toLowerCase()}:`;
    const values: string[] = [];
    for (let at = this.#lower.indexOf(before); at >= 0; at = this.#lower.indexOf(before, at + 2)) {
      const from = at + before.length;
      const value = this.#text.slice(from, this.#text.indexOf("\r\n", from)).trim();
      // One that a field cannot have is taken for none.
      if (!/[\0\r\n]/.test(value)) values.push(value);
    }
    return values.length === 0 ? null : values.join(", ");
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }
}

/** Each byte a character. */
function characters(bytes: Uint8Array): string {
  // Spread, they would be taken one by one.
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

function lengthOf(status: number, headers: AnswerHeaders): number | null {
  if (status === 204 || status === 304) return 0;
  const encoding = headers.get("content-encoding");
  if (headers.has("transfer-encoding") || (encoding !== null && encoding !== "identity")) return null;
  const length = headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(length) ? Number(length) : null;
}

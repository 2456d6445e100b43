import { AimError } from "../../errors/aim_error.ts";

/** Nesting and number of values that a JSON answer may have: each value takes memory, whatever its text. */
const DEEPEST = 64;
const MOST_VALUES = 1_000_000;

/**
 * Reads a JSON answer of a server that is not trusted. If it is not JSON, the error says what it is: mostly a
 * page of a portal or a proxy.
 *
 * @param host Named in errors.
 * @throws {AimError} `network`.
 */
export function parseJson(text: string, host: string): unknown {
  const fault = excess(text);
  if (fault !== null) {
    throw new AimError("network", `${host} sent JSON with ${fault}`, {
      hint: "check the address: no model source answers like this",
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AimError("network", `${host} ${notJson(text)}`, {
      hint: "check the address, its path, and whether a proxy or a login portal answers in its place",
      cause,
    });
  }
}

function notJson(text: string): string {
  const start = text.trimStart();
  if (start === "") return "sent an empty answer where JSON was expected";
  const title = /<title[^>]*>([^<]{1,100})/i.exec(start)?.[1]?.trim();
  if (/^<(?:!doctype html|html|head|body)/i.test(start) || title !== undefined) {
    return `answers with a web page${
      title === undefined ? "" : ` (${JSON.stringify(title)})`
    } where JSON was expected`;
  }
  return "sent an answer that is not JSON";
}

/** Counts brackets and commas outside of strings. */
function excess(text: string): string | null {
  let depth = 0, values = 0, quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 0x5c) at++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x5b || code === 0x7b) {
      values++;
      if (++depth > DEEPEST) return `more than ${DEEPEST} levels`;
    } else if (code === 0x5d || code === 0x7d) depth--;
    else if (code === 0x2c) values++;
    if (values > MOST_VALUES) return `more than ${MOST_VALUES} values`;
  }
  return null;
}

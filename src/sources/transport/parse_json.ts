import { AimError } from "../../errors/aim_error.ts";

/** Maximum nesting and number of values of a JSON response: each value takes memory, however short it is. */
const DEEPEST = 64;
const MOST_VALUES = 1_000_000;

/**
 * Parses the JSON response of an untrusted server. If it is not JSON, the error names what it is: usually the
 * page of a portal or a proxy.
 *
 * @param host Named in errors.
 * @throws {AimError} `network`.
 */
export function parseJson(text: string, host: string): unknown {
  const fault = excess(text);
  if (fault !== null) {
    throw new AimError("network", `${host} sent JSON with ${fault}`, {
      hint: "check the address: no model source responds like this",
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AimError("network", `${host} ${notJson(text)}`, {
      hint: "check the address, its path, and whether a proxy or a login portal intercepts requests",
      cause,
    });
  }
}

function notJson(text: string): string {
  const start = text.trimStart();
  if (start === "") return "sent an empty response where JSON was expected";
  const title = /<title[^>]*>([^<]{1,100})/i.exec(start)?.[1]?.trim();
  if (/^<(?:!doctype html|html|head|body)/i.test(start) || title !== undefined) {
    return `returned a web page${
      title === undefined ? "" : ` (${JSON.stringify(title)})`
    } where JSON was expected`;
  }
  return "sent a response that is not JSON";
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

// Controls C0, DEL and C1; bidirectional marks, embeddings, overrides and isolates (Unicode UAX #9); line and
// paragraph separators. A terminal executes the first; the others can disguise text.
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/**
 * Makes text from a server, a file name or a tool safe for a terminal and in a JSON string: each control
 * character becomes `\n`, `\t`, `\r` or `\uXXXX`.
 *
 * @param kept Control characters to keep.
 */
export function printable(text: string, kept = ""): string {
  return text.replace(CONTROLS, (character) => kept.includes(character) ? character : escapeOf(character));
}

function escapeOf(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };

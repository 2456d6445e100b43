import { AimError } from "../errors/aim_error.ts";

/** Ways to read a file from the hub. `HF_TRANSFER` is the same as `HTTP`: aim always reads parts in parallel. */
const PROTOCOLS = ["XET", "HF_TRANSFER", "HTTP"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/**
 * Parses `AIM_DOWNLOADER_PROTOCOL`: names in the order in which they are tried, comma-separated, in any case.
 *
 * @throws {AimError} `usage`, naming the value and the choices.
 */
export function parseProtocols(text: string): readonly Protocol[] {
  const names = text.split(",").map((name) => name.trim().toUpperCase()).filter((name) => name !== "");
  const known = names.map((name) => PROTOCOLS.find((protocol) => protocol === name));
  const unknown = names.find((_, i) => known[i] === undefined);
  if (unknown !== undefined || names.length === 0) {
    throw new AimError("usage", `AIM_DOWNLOADER_PROTOCOL is ${JSON.stringify(text)}`, {
      hint: `use a list of ${PROTOCOLS.join(", ")}`,
    });
  }
  return [...new Set(known.filter((protocol) => protocol !== undefined))];
}

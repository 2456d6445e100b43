import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";

/**
 * `EXPECTED_SIZE_BYTES`: what the operator expects a download to bring, or the size it asked a volume of; `null` where it
 * knows nothing (unset, empty or 0).
 *
 * @throws {AimError} `usage` where it is no number of bytes.
 */
export function expectedSize(env: Readonly<Record<string, string | undefined>>): number | null {
  const text = env.EXPECTED_SIZE_BYTES?.trim() ?? "";
  if (text === "") return null;
  const bytes = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(bytes)) {
    throw new AimError("usage", `EXPECTED_SIZE_BYTES is ${JSON.stringify(text)}`, {
      hint: "set it to a number of bytes, or unset it",
    });
  }
  return bytes === 0 ? null : bytes;
}

/**
 * Says where the source differs from what was expected. Only that: the source's own number is what counts, and whether it
 * fits the volume is looked at before the first byte. More than expected is a warning, since the volume was sized by it;
 * less is no more than worth a line, since the number may be the volume's.
 */
export function compareExpectedSize(expected: number | null, source: string, bytes: number): void {
  if (expected === null || expected === bytes) return;
  const say = bytes > expected ? log.warn : log.info;
  say(`${source} has ${bytes} bytes, EXPECTED_SIZE_BYTES says ${expected}`);
}

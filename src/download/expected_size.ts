import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";

/**
 * `EXPECTED_SIZE_BYTES`: the size that the operator expects of a download, or of its volume; `null` if it is unset,
 * empty or 0.
 *
 * @throws {AimError} `usage` if it is not a number of bytes.
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
 * Reports a difference between the expected and the real size. More than expected is a warning, since the volume may be
 * too small; less is only logged, since the number may be the volume's size.
 */
export function compareExpectedSize(expected: number | null, source: string, bytes: number): void {
  if (expected === null || expected === bytes) return;
  const say = bytes > expected ? log.warn : log.info;
  say(`${source} has ${bytes} bytes, EXPECTED_SIZE_BYTES says ${expected}`);
}

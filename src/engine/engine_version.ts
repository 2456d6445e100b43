import { AimError } from "../errors/aim_error.ts";

/** A Python package's version (PEP 440), limited to the forms that vLLM's builds use. */
export interface EngineVersion {
  /** As written: `0.11.2.dev673+g839868462.rocm700`. */
  readonly text: string;
  /** `[0, 11, 2]`. */
  readonly numbers: readonly number[];
  /** 0, or N of `.postN`. */
  readonly post: number;
  /** A `.dev`, alpha, beta or release candidate build: before the release that it is named after. */
  readonly development: boolean;
}

/** Reads a version; `null` if the text is not one. The part after `+` only names the build. */
export function parseVersion(text: string): EngineVersion | null {
  const found = /^v?(\d+(?:\.\d+)*)(?:[-_.]?post(\d+))?([-_.]?(?:dev|a|b|rc)[\d.]*)*(?:\+[\w.-]*)?$/i
    .exec(text.trim());
  if (found === null) return null;
  return {
    text: text.trim(),
    numbers: (found[1] ?? "0").split(".").map(Number),
    post: Number(found[2] ?? 0),
    development: found[3] !== undefined,
  };
}

/** Negative if `a` is older, positive if it is newer. */
export function compareVersions(a: EngineVersion, b: EngineVersion): number {
  for (let at = 0; at < Math.max(a.numbers.length, b.numbers.length); at++) {
    const difference = (a.numbers[at] ?? 0) - (b.numbers[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(b.development) - Number(a.development) || a.post - b.post;
}

/**
 * A version that the user gave.
 *
 * @throws {AimError} `usage` if it is not one.
 */
export function givenVersion(text: string): EngineVersion {
  const version = parseVersion(text);
  if (version !== null) return version;
  throw new AimError("usage", `--engine-version is "${text}", which is not a version`, {
    hint: "give one such as 0.27.1",
  });
}

import type { SignedFiles } from "./signed_files.ts";

/** A file that differs from what was signed. */
export interface UnsignedFile {
  readonly path: string;
  readonly kind: "changed" | "missing" | "extra";
}

/**
 * Compares a model's files with what was signed.
 *
 * @param digests SHA-256 in hex of every file of the model.
 */
export function compareSigned(
  { files, ignored }: SignedFiles,
  digests: ReadonlyMap<string, string>,
): UnsignedFile[] {
  const isIgnored = (path: string) => ignored.some((one) => path === one || path.startsWith(`${one}/`));
  const wrong: UnsignedFile[] = [];
  for (const [path, digest] of digests) {
    const signed = files.get(path);
    if (signed === undefined && !isIgnored(path)) wrong.push({ path, kind: "extra" });
    if (signed !== undefined && signed !== digest) wrong.push({ path, kind: "changed" });
  }
  for (const path of files.keys()) if (!digests.has(path)) wrong.push({ path, kind: "missing" });
  return wrong;
}

export const UNSIGNED_REASONS: Readonly<Record<UnsignedFile["kind"], string>> = {
  changed: "is not what was signed",
  missing: "was signed, and is missing",
  extra: "was not signed",
};

/**
 * True for files that are not part of a model but may have been uploaded with it: aim's and Python's own, and git's
 * folder, whose hooks and settings git would run.
 */
export function isBookkeepingPath(path: string): boolean {
  return path.startsWith(".aim/") || path.startsWith(".cache/huggingface/") ||
    /(?:^|\/)\.git(?:\/|$)/i.test(path);
}

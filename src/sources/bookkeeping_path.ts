/**
 * True for what is no part of a model, should someone have uploaded it with the model (as a sync of a local directory does): what aim
 * and Python's client keep beside it, and git's own folder, whose hooks and settings git would run.
 */
export function isBookkeepingPath(path: string): boolean {
  return path.startsWith(".aim/") || path.startsWith(".cache/huggingface/") ||
    /(?:^|\/)\.git(?:\/|$)/i.test(path);
}

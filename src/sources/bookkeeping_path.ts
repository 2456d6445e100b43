/**
 * True for what aim and Python's client keep beside a model, should someone have uploaded it with the model
 * (as a sync of a local directory does): it says nothing of this download.
 */
export function isBookkeepingPath(path: string): boolean {
  return path.startsWith(".aim/") || path.startsWith(".cache/huggingface/");
}

/**
 * The type of a path, links followed; `null` if it does not exist or cannot be read. Requires `--allow-read`.
 */
export function fileType(path: string): "file" | "directory" | "other" | null {
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    return isFile ? "file" : isDirectory ? "directory" : "other";
  } catch {
    return null;
  }
}

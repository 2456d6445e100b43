import { type Content, diskContent } from "./content.ts";

/** All files below a directory by path, streamed from disk when read, without hidden directories. */
export async function directoryContents(directory: string): Promise<Record<string, Content>> {
  const found: Record<string, Content> = {};
  const walk = async (under: string) => {
    for await (const entry of Deno.readDir(`${directory}/${under}`)) {
      const path = under + entry.name;
      const { isDirectory } = await Deno.stat(`${directory}/${path}`);
      if (!isDirectory) found[path] = await diskContent(`${directory}/${path}`);
      else if (!entry.name.startsWith(".")) await walk(`${path}/`);
    }
  };
  await walk("");
  return found;
}

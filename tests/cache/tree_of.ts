/** The tree below a folder, links not followed: `link → target`, `folder/`, `file = text`. */
export function treeOf(folder: string, prefix = ""): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    const name = `${prefix}${entry.name}`;
    if (entry.isSymlink) found.push(`${name} → ${Deno.readLinkSync(path)}`);
    else if (entry.isDirectory) found.push(`${name}/`, ...treeOf(path, `${name}/`));
    else found.push(`${name} = ${new TextDecoder("latin1").decode(Deno.readFileSync(path))}`);
  }
  return found.sort();
}

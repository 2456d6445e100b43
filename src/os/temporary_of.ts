/** A new name in the folder of a path, short however long the path's own name is. What a killed process left has such a name. */
export function temporaryOf(path: string): string {
  return `${path.slice(0, path.lastIndexOf("/"))}/.aim.${crypto.randomUUID().slice(0, 8)}.tmp`;
}

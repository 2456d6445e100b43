/** A new short name in the same folder. A killed process may leave a file of such a name. */
export function temporaryOf(path: string): string {
  return `${path.slice(0, path.lastIndexOf("/"))}/.aim.${crypto.randomUUID().slice(0, 8)}.tmp`;
}

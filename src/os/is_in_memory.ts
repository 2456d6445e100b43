import { nodeModule } from "./node_module.ts";

/** Magic numbers of statfs(2): tmpfs and ramfs. */
const MEMORY: readonly number[] = [0x01021994, 0x858458f6];

/** Whether a path is on a file system in memory. Requires sys permission for `statfs`. */
export async function isInMemory(path: string): Promise<boolean> {
  const { statfs } = nodeModule("node:fs/promises");
  return await statfs(path).then(({ type }) => MEMORY.includes(type), () => false);
}

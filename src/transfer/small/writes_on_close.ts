import { statfs } from "node:fs/promises";

/**
 * Whether the file system of a directory writes a file's data when the file is closed, so that only then it is known whether there is room:
 * network file systems do, and those of programs. Requires sys permission for `statfs`.
 */
export async function writesOnClose(directory: string): Promise<boolean> {
  try {
    return !LOCAL.has((await statfs(directory)).type);
  } catch {
    return true;
  }
}

/** Those that refuse the write(2) for which they have no room (linux/magic.h; ZFS' own). Anything else may be anything. */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
]);

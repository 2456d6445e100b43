import { statfs } from "node:fs/promises";

/** File systems that fetch what is read over a network (magic numbers of statfs(2) and of their kernel modules). */
const NETWORK: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0xff534d42: "CIFS",
  0xfe534d42: "SMB",
  0x0bd00bd0: "Lustre",
  0x00c36400: "CephFS",
  0x47504653: "GPFS",
  0x19830326: "BeeGFS",
  0x01021997: "9P",
  0x65735546: "FUSE",
};

/**
 * The kind of network file system that a path is on; `null` for others, and where that cannot be found out. FUSE counts: on a server it
 * is a bucket or a distributed file system.
 */
export async function networkFileSystem(path: string): Promise<string | null> {
  try {
    const { type } = await statfs(path);
    return NETWORK[type >>> 0] ?? null;
  } catch {
    return null;
  }
}

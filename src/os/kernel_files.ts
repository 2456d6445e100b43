import { cString, describeErrno, type FileCalls, fileCalls, lastErrno, outcomeOf } from "./libc.ts";
import { ABSENT, type Read } from "./read_regular_file.ts";

/**
 * Reads small files and folders, including those that Deno refuses (`/sys`, `/proc`, `/dev`). Never throws.
 */
export interface KernelFiles {
  text(path: string): Read<string>;
  /** Names in a folder, sorted. */
  list(path: string): Read<readonly string[]>;
  /** Whether it can be opened for reading and writing, as ROCm opens device nodes. */
  openable(path: string): Read<true>;
  /** The target of a link, unresolved. */
  link(path: string): Read<string>;
  /** ID of the group that owns it; `null` if unknown. */
  group(path: string): number | null;
}

/** Uses the C library, since Deno opens these paths only with all permissions. */
export function kernelFiles(): KernelFiles {
  const libc = fileCalls();
  return "library" in libc ? throughLibc(libc.library) : withoutLibc(libc.refused);
}

const ENOENT = 2, ENOTDIR = 20;
const AT_FDCWD = -100, STATX_GID = 0x10;
const O_RDONLY = 0, O_RDWR = 2, O_NONBLOCK = 0o4000, O_CLOEXEC = 0o2000000;
// Far larger than amdgpu's tables and /proc files.
const LARGEST = 1 << 20;
let content: Uint8Array<ArrayBuffer> | undefined;

function throughLibc(library: FileCalls): KernelFiles {
  const failure = <T>(errno = lastErrno(library)): Read<T> => {
    return errno === ENOENT || errno === ENOTDIR
      ? ABSENT
      : { kind: "failed", reason: describeErrno(library, errno) };
  };
  const opened = <T>(path: string, mode: number, use: (fd: number) => Read<T>): Read<T> => {
    const flags = mode | O_CLOEXEC | O_NONBLOCK;
    const fd = outcomeOf(library, () => library.open(cString(path), flags, 0));
    if (fd < 0) return failure(-fd);
    try {
      return use(fd);
    } finally {
      library.close(fd);
    }
  };
  return {
    text: (path) =>
      opened(path, O_RDONLY, (fd) => {
        const buffer = content ??= new Uint8Array(LARGEST);
        let total = 0;
        for (let count = 1; count > 0 && total < LARGEST; total += count) {
          count = Number(library.read(fd, buffer.subarray(total), BigInt(LARGEST - total)));
          if (count < 0) return failure();
        }
        return { kind: "ok", value: new TextDecoder().decode(buffer.subarray(0, total)) };
      }),
    openable: (path) => opened(path, O_RDWR, () => ({ kind: "ok", value: true })),
    list(path) {
      const directory = library.opendir(cString(path));
      if (directory === null) return failure();
      const names: string[] = [];
      try {
        // struct dirent of 64-bit Linux: d_ino 8, d_off 8, d_reclen 2, d_type 1, then the name.
        for (let entry = library.readdir(directory); entry !== null; entry = library.readdir(directory)) {
          const name = new Deno.UnsafePointerView(entry).getCString(19);
          if (name !== "." && name !== "..") names.push(name);
        }
      } finally {
        library.closedir(directory);
      }
      return { kind: "ok", value: names.sort() };
    },
    link(path) {
      const buffer = new Uint8Array(4096);
      const read = () => Number(library.readlink(cString(path), buffer, BigInt(buffer.length)));
      const count = outcomeOf(library, read);
      return count < 0
        ? failure(-count)
        : { kind: "ok", value: new TextDecoder().decode(buffer.subarray(0, count)) };
    },
    group(path) {
      const buffer = new Uint8Array(256);
      const failed = library.statx?.(AT_FDCWD, cString(path), 0, STATX_GID, buffer) ?? -1;
      // struct statx (linux/stat.h): stx_gid is the 32 bits at 24.
      return failed === 0 ? new DataView(buffer.buffer).getUint32(24, true) : null;
    },
  };
}

function withoutLibc(reason: string): KernelFiles {
  const failed = () => ({ kind: "failed", reason }) as const;
  return { text: failed, list: failed, openable: failed, link: failed, group: () => null };
}

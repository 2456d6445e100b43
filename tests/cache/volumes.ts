// Real file systems for tests: mounted by root, unmounted at the end.
import { installed, run } from "./caches.ts";

/** A kind of file system. */
export type VolumeKind = keyof typeof KINDS;

/** A mounted file system. */
export interface Volume extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  /** Its disk image, if it has one. */
  readonly image: string;
}

interface Kind {
  /** Required programs. */
  readonly needs: readonly string[];
  /** Mounts it; returns the cleanup to run after umount(8). */
  readonly mount: (at: string, work: string, options: string) => Promise<() => Promise<unknown>>;
}

const KINDS = {
  ext4: {
    needs: ["mkfs.ext4", "losetup"],
    mount: onLoop((device) => run("mkfs.ext4", "-q", device), "ext4"),
  },
  xfs: { needs: ["mkfs.xfs", "losetup"], mount: onLoop((device) => run("mkfs.xfs", "-q", device), "xfs") },
  vfat: { needs: ["mkfs.vfat", "losetup"], mount: onLoop((device) => run("mkfs.vfat", device), "vfat") },
  // Like vfat: no symbolic or hard links, and names ignore case.
  exfat: {
    needs: ["mkfs.exfat", "mount.exfat-fuse", "losetup"],
    mount: onLoop((device) => run("mkfs.exfat", device), null),
  },
  tmpfs: {
    needs: [],
    async mount(at, _, options) {
      await run("mount", "-t", "tmpfs", "-o", options || "size=64m", "tmpfs", at);
      return () => Promise.resolve();
    },
  },
  overlay: {
    needs: [],
    async mount(at, work) {
      const [lower, upper, own] = ["lower", "upper", "work"].map((name) => `${work}/${name}`);
      for (const folder of [lower, upper, own]) await Deno.mkdir(folder ?? "");
      await run(
        "mount",
        "-t",
        "overlay",
        "-o",
        `lowerdir=${lower},upperdir=${upper},workdir=${own}`,
        "overlay",
        at,
      );
      return () => Promise.resolve();
    },
  },
} satisfies Record<string, Kind>;

export const VOLUME_KINDS = Object.keys(KINDS) as VolumeKind[];

/** Mounts a new file system. @param options For mount(8). @param dir Folder for its disk image. */
export async function mountVolume(
  kind: VolumeKind,
  at: string,
  options = "",
  dir = Deno.env.get("TMPDIR") ?? "/tmp",
): Promise<Volume> {
  const work = await Deno.makeTempDir({ dir });
  await Deno.mkdir(at, { recursive: true });
  const undo = await KINDS[kind].mount(at, work, options).catch(async (error) => {
    await Deno.remove(work, { recursive: true });
    throw error;
  });
  return {
    path: at,
    image: `${work}/image`,
    async [Symbol.asyncDispose]() {
      await run("umount", at);
      await undo();
      await Deno.remove(work, { recursive: true });
    },
  };
}

/** Why this host cannot mount a kind of file system; `null` if it can. */
export const REFUSED: Readonly<Record<VolumeKind, string | null>> = Object.fromEntries(
  await Promise.all(VOLUME_KINDS.map(async (kind) => [kind, await refusal(kind)] as const)),
) as Record<VolumeKind, string | null>;

async function refusal(kind: VolumeKind): Promise<string | null> {
  if (Deno.uid() !== 0) return "only root may mount";
  const missing = KINDS[kind].needs.filter((name) => !installed(name));
  if (missing.length > 0) return `${missing.join(", ")} not installed`;
  const at = await Deno.makeTempDir();
  try {
    await (await mountVolume(kind, at))[Symbol.asyncDispose]();
    return null;
  } catch (error) {
    return `this host cannot mount it: ${error instanceof Error ? error.message.trim() : error}`;
  } finally {
    await Deno.remove(at, { recursive: true });
  }
}

function onLoop(format: (device: string) => Promise<unknown>, type: string | null): Kind["mount"] {
  return async (at, work, options) => {
    const image = `${work}/image`;
    // The minimum size of xfs; the file is sparse.
    await (await Deno.create(image)).truncate(320 << 20);
    await format(image);
    const device = (await run("losetup", "--find", "--show", image)).trim();
    const undo = () => run("losetup", "--detach", device);
    try {
      if (type === null) await run("mount.exfat-fuse", device, at);
      else await run("mount", "-t", type, ...(options === "" ? [] : ["-o", options]), device, at);
    } catch (error) {
      await undo();
      throw error;
    }
    return undo;
  };
}

/** What a part of the program may do; everything else is revoked. */
export interface Permissions {
  /** Files are always readable: configuration, profiles and the bundle itself are files. */
  readonly write: boolean;
  readonly net: boolean;
  /** Start other programs. */
  readonly run: boolean;
  /** Load `libc.so.6`. */
  readonly ffi: boolean;
}

/**
 * Gives up for good what is not needed any more. Modules of the program itself still load: that is no permission.
 * Reading stays: configuration, profiles and models are files. So does the environment: libraries look at it when they load.
 *
 * @param needs What is kept.
 */
export function revokePermissions(needs: Permissions): void {
  const keep = (name: "write" | "net" | "run" | "ffi", wanted: boolean) =>
    wanted || Deno.permissions.revokeSync({ name });
  keep("write", needs.write);
  keep("net", needs.net);
  keep("run", needs.run);
  keep("ffi", needs.ffi);
  Deno.permissions.revokeSync({ name: "import" });
  // Host name, processors and the like are for what locks files or talks to servers; free space is for all.
  if (needs.net || needs.write) return;
  for (const kind of SYSTEM_FACTS) Deno.permissions.revokeSync({ name: "sys", kind });
}

/** What deno.json grants of `sys`, but `statfs`. */
const SYSTEM_FACTS = [
  "hostname",
  "osRelease",
  "homedir",
  "uid",
  "gid",
  "cpus",
  "systemMemoryInfo",
  "osUptime",
  "getPriority",
] as const;

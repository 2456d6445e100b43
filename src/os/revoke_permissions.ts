/** What a part of the program may do. */
export interface Permissions {
  readonly write: boolean;
  readonly net: boolean;
  /** Start other programs. */
  readonly run: boolean;
  /** Load `libc.so.6`. */
  readonly ffi: boolean;
}

/**
 * Revokes all other permissions for good. Reading stays, since configuration, profiles and models are files;
 * so does the environment, which libraries read when they load.
 */
export function revokePermissions(needs: Permissions): void {
  for (const name of ["write", "net", "run", "ffi"] as const) {
    if (!needs[name]) Deno.permissions.revokeSync({ name });
  }
  Deno.permissions.revokeSync({ name: "import" });
  // Host name, user and the like are needed only to lock files and talk to servers; free space may always be
  // read.
  if (needs.net || needs.write) return;
  for (const kind of SYSTEM_FACTS) Deno.permissions.revokeSync({ name: "sys", kind });
}

/** The `sys` permissions of deno.json, without `statfs`. */
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

import type { CommandPermissions } from "./command.ts";

/**
 * Gives up for good what a command does not declare. Modules of the program itself still load: that is no permission.
 * Reading stays: configuration, profiles and models are files. So does the environment: libraries look at it when they load.
 *
 * @param needs What is kept.
 */
export function revokePermissions(needs: CommandPermissions): void {
  const keep = (name: "write" | "net" | "run" | "ffi", wanted: boolean) =>
    wanted || Deno.permissions.revokeSync({ name });
  keep("write", needs.write);
  keep("net", needs.net);
  keep("run", needs.run);
  keep("ffi", needs.ffi);
  Deno.permissions.revokeSync({ name: "import" });
  // Host name, processors and the like are asked for by those that lock files or talk to servers.
  if (!needs.net && !needs.write) Deno.permissions.revokeSync({ name: "sys" });
}

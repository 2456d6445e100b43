// Runs aim as another user, with groups and a umask as in a pod.
import { plainEnvironment, type Ran } from "../cli/aim.ts";
import { installed, run } from "./caches.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The user that a process runs as. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  /** @default {none} */
  readonly groups?: readonly number[];
  /** Octal. @default {"022"} */
  readonly umask?: string;
}

/** Why this host cannot run aim as another user; `null` if it can. */
export const NO_USERS: string | null = Deno.uid() !== 0
  ? "only root may become another user"
  : installed("setpriv")
  ? null
  : "setpriv is not installed";

/** The runtime, its cache and the program, made accessible to other users. */
export interface Stage extends AsyncDisposable {
  aim(user: User, args: readonly string[], env: Record<string, string>): Promise<Ran>;
}

/** Makes the program accessible to other users by bind mounts. */
export async function openStage(): Promise<Stage> {
  const stage = await Deno.makeTempDir();
  await Deno.chmod(stage, 0o755);
  const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
  const mounts: string[] = [];
  const bind = async (from: string, name: string, folder: boolean) => {
    const to = `${stage}/${name}`;
    if (folder) await Deno.mkdir(to);
    else await Deno.writeTextFile(to, "");
    await run("mount", "--bind", from, to);
    mounts.push(to);
  };
  const executable = Deno.env.get("AIM_TEST_EXECUTABLE");
  if (executable !== undefined) await bind(executable, "aim", false);
  await bind(Deno.execPath(), "deno", false);
  await bind(cache, "cache", true);
  await bind(ROOT, "program", true);
  return {
    async aim({ uid, gid, groups = [], umask = "022" }, args, env) {
      const source = [
        ...[`${stage}/deno`, "run", "-q", "-P", "--no-prompt", `--config=${stage}/program/deno.json`],
        `${stage}/program/main.ts`,
      ];
      const { code, stdout, stderr } = await new Deno.Command("sh", {
        args: [
          "-c",
          `umask ${umask}; exec setpriv --reuid ${uid} --regid ${gid} ` +
          `${groups.length === 0 ? "--clear-groups" : `--groups ${groups.join(",")}`} ` +
          `--bounding-set=-all --inh-caps=-all --no-new-privs "$@"`,
          "sh",
          ...executable === undefined ? source : [`${stage}/aim`],
          ...args,
        ],
        clearEnv: true,
        // As in a pod without a home directory.
        env: { ...plainEnvironment(), HOME: "/", DENO_DIR: `${stage}/cache`, ...env },
        cwd: stage,
        stdin: "null",
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, stdout: text(stdout), stderr: text(stderr) };
    },
    async [Symbol.asyncDispose]() {
      for (const at of mounts) await run("umount", at);
      await Deno.remove(stage, { recursive: true });
    },
  };
}

import { freePort } from "./free_port.ts";

/** A running squid, a forward proxy that requires a user and a password. */
export interface Squid extends AsyncDisposable {
  /** With `user:password@`. */
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  /** Lines of its access log so far. */
  log(): Promise<string[]>;
}

export const SQUID_USER = "me";
/** Must be escaped in a URL. */
export const SQUID_PASSWORD = "p@ss:w/rd";

/** Starts squid on 127.0.0.1, or returns why it is not installed. */
export async function startSquid(): Promise<Squid | { readonly skip: string }> {
  const program = await firstOf(["/usr/sbin/squid", "/usr/local/sbin/squid"]);
  const helper = await firstOf(["/usr/lib/squid/basic_ncsa_auth", "/usr/lib64/squid/basic_ncsa_auth"]);
  if (program === null || helper === null) return { skip: "squid is not installed" };
  const directory = await Deno.makeTempDir({ prefix: "aim-squid-" });
  // Started as root, it switches to another user.
  await Deno.chmod(directory, 0o777);
  const port = freePort();
  const { stdout } = await new Deno.Command("openssl", { args: ["passwd", "-apr1", SQUID_PASSWORD] })
    .output();
  const hashed = new TextDecoder().decode(stdout).trim();
  await Deno.writeTextFile(`${directory}/users`, `${SQUID_USER}:${hashed}\n`, { mode: 0o644 });
  await Deno.writeTextFile(
    `${directory}/squid.conf`,
    `http_port 127.0.0.1:${port}
pid_filename none
cache_log ${directory}/cache.log
access_log stdio:${directory}/access.log
cache deny all
coredump_dir ${directory}
auth_param basic program ${helper} ${directory}/users
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
shutdown_lifetime 0 seconds
`,
  );
  const child = new Deno.Command(program, {
    args: ["-N", "-f", `${directory}/squid.conf`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const close = async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // already ended
    }
    await child.status;
    await Deno.remove(directory, { recursive: true });
  };
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      break;
    } catch {
      if (tries === 200) {
        const log = await Deno.readTextFile(`${directory}/cache.log`).catch(() => "no log");
        await close();
        throw new Error(`squid does not answer: ${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const url = `http://${SQUID_USER}:${encodeURIComponent(SQUID_PASSWORD)}@127.0.0.1:${port}`;
  return {
    url,
    env: { HTTP_PROXY: url, HTTPS_PROXY: url },
    log: async () =>
      (await Deno.readTextFile(`${directory}/access.log`)).split("\n").filter((line) => line !== ""),
    [Symbol.asyncDispose]: close,
  };
}

async function firstOf(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  return null;
}

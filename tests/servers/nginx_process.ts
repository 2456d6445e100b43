/** A running nginx. */
export interface Nginx extends AsyncDisposable {
  /** Without a trailing slash. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts nginx, or returns why it is not installed.
 *
 * @param listen Where its server listens.
 * @param servers The rest of the `http` block, given a directory that is removed at the end.
 */
export async function startNginxWith(
  { url, workers = 2 }: { url: string; workers?: number },
  servers: (temporary: string) => string,
): Promise<Nginx | { readonly skip: string }> {
  const temporary = await Deno.makeTempDir({ prefix: "aim-nginx-" });
  const spool = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${temporary}/${kind};`).join("\n  ");
  await Deno.writeTextFile(
    `${temporary}/nginx.conf`,
    `daemon off;
${Deno.uid() === 0 ? "user root;" : ""}
worker_processes ${workers};
pid ${temporary}/nginx.pid;
error_log ${temporary}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  types { }
  default_type application/octet-stream;
  ${spool}
  ${servers(temporary)}
}
`,
  );
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("nginx", {
      args: ["-c", `${temporary}/nginx.conf`, "-p", temporary, "-e", `${temporary}/error.log`],
      // Debian installs it in a directory that is only on root's PATH.
      env: { PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin` },
      stdout: "null",
      stderr: "null",
    }).spawn();
  } catch (error) {
    await Deno.remove(temporary, { recursive: true });
    if (error instanceof Deno.errors.NotFound) return { skip: "nginx is not installed" };
    throw error;
  }
  const close = async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // already ended
    }
    await child.status;
    await Deno.remove(temporary, { recursive: true });
  };
  for (let tries = 0;; tries++) {
    try {
      const { hostname, port } = new URL(url);
      (await Deno.connect({ hostname, port: Number(port) })).close();
      break;
    } catch {
      if (tries === 100) {
        const log = await Deno.readTextFile(`${temporary}/error.log`);
        await close();
        throw new Error(`nginx does not answer: ${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return { url, close, [Symbol.asyncDispose]: close };
}

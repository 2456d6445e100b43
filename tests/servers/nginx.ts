import { freePort } from "./free_port.ts";

/** A running nginx that serves a directory, ranges included. */
export interface Nginx extends AsyncDisposable {
  /** Without slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves a directory with nginx on 127.0.0.1; says why where nginx is not installed. Behind the hub's protocol:
 *
 *     const nginx = await startNginx(directory);
 *     const hub = await startHub({ repos, redirect: ({ path }) => `${nginx.url}/${path}` });
 *
 * @param options.tls Paths of a PEM certificate and key.
 * @param options.address Listens there instead: the far end of a slow link, say.
 */
export async function startNginx(
  directory: string,
  options: { tls?: { cert: string; key: string }; address?: string; workers?: number } = {},
): Promise<Nginx | { readonly skip: string }> {
  const { tls, address = "127.0.0.1", workers = 2 } = options;
  const temporary = await Deno.makeTempDir({ prefix: "aim-nginx-" });
  const port = freePort();
  const secure = tls === undefined ? "" : `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`;
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
  server {
    listen ${address}:${port} ${tls === undefined ? "" : "ssl"};
    ${secure}
    root ${directory};
  }
}
`,
  );
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("nginx", {
      args: ["-c", `${temporary}/nginx.conf`, "-p", temporary, "-e", `${temporary}/error.log`],
      // Debian has it where only root's PATH looks.
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
      // ended already
    }
    await child.status;
    await Deno.remove(temporary, { recursive: true });
  };
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ hostname: address, port })).close();
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
  const url = `${tls === undefined ? "http" : "https"}://${address}:${port}`;
  return { url, close, [Symbol.asyncDispose]: close };
}

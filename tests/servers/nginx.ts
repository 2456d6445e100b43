import { freePort } from "./free_port.ts";
import { type Nginx, startNginxWith } from "./nginx_process.ts";

/**
 * Serves a directory with nginx on 127.0.0.1, or returns why nginx is not installed. As the second origin of
 * a hub:
 *
 *     const nginx = await startNginx(directory);
 *     const hub = await startHub({ repos, redirect: ({ path }) => `${nginx.url}/${path}` });
 *
 * @param options.tls Paths of a PEM certificate and key.
 * @param options.address Another address to listen on, such as the far end of a slow link.
 */
export async function startNginx(
  directory: string,
  options: { tls?: { cert: string; key: string }; address?: string; workers?: number } = {},
): Promise<Nginx | { readonly skip: string }> {
  const { tls, address = "127.0.0.1", workers = 2 } = options;
  const port = freePort();
  const secure = tls === undefined ? "" : `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`;
  return await startNginxWith(
    { url: `${tls === undefined ? "http" : "https"}://${address}:${port}`, workers },
    () =>
      `server {
    listen ${address}:${port} ${tls === undefined ? "" : "ssl"};
    ${secure}
    root ${directory};
  }`,
  );
}

import { freePort } from "../servers/free_port.ts";
import { type Nginx, startNginxWith } from "../servers/nginx_process.ts";

const FOLDER = new URL("../../container/kubernetes/fleet/nginx/", import.meta.url).pathname;

/**
 * Starts nginx with a template of `container/kubernetes/fleet/nginx`, filled in as nginx's image does; only
 * the port and the paths differ.
 */
export async function startNginxCache(
  template: "hub" | "s3" | "oci",
  variables: Readonly<Record<string, string>>,
): Promise<Nginx | { readonly skip: string }> {
  const port = freePort();
  const text = await Deno.readTextFile(`${FOLDER}${template}.conf.template`);
  const filled = text.replace(/\$\{([A-Z0-9_]+)\}/g, (_, name: string) => {
    const value = { CACHE_SIZE: "1g", NGINX_LOCAL_RESOLVERS: "127.0.0.1", ...variables }[name];
    if (value === undefined) throw new Error(`${template}.conf.template: no value for ${name}`);
    return value;
  });
  return await startNginxWith(
    { url: `http://127.0.0.1:${port}` },
    (temporary) =>
      filled.replace(/listen 808\d;/g, `listen 127.0.0.1:${port};`)
        .replaceAll("/var/cache/nginx/", `${temporary}/cache-`)
        .replaceAll("unix:/tmp/", `unix:${temporary}/`),
  );
}

/** Why the cache cannot be started; `null` if it can. */
export const noNginx: string | null = await (async () => {
  const started = await startNginxCache("hub", { HUB_URL: "http://127.0.0.1:1" });
  if ("skip" in started) return started.skip;
  await started.close();
  return null;
})();

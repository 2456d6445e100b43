import { freePort } from "./free_port.ts";
import type { HubServer } from "./hub_server.ts";
import { type Nginx, startNginxWith } from "./nginx_process.ts";

/**
 * nginx in front of a hub, on 127.0.0.1, as companies run it:
 *
 * - `cache`: follows the hub's redirects itself, caches the responses, and compresses text even if the client
 * does not ask for it.
 * - `rewrite`: serves the hub below a path, rewrites URLs in responses, removes the hub's headers and ETags,
 * and passes redirects on unchanged.
 */
export async function startNginxFront(
  hub: HubServer,
  kind: "cache" | "rewrite",
): Promise<Nginx | { readonly skip: string }> {
  const port = freePort();
  const own = `http://127.0.0.1:${port}`;
  const forward = "proxy_http_version 1.1; proxy_set_header Authorization $http_authorization;";
  const servers = {
    cache: (temporary: string) => `
  proxy_cache_path ${temporary}/cache keys_zone=hub:1m;
  map $upstream_http_location $target { "~^/" ${hub.url}$upstream_http_location; default $upstream_http_location; }
  server {
    listen 127.0.0.1:${port};
    gzip on;
    gzip_proxied any;
    gzip_min_length 1;
    gzip_types *;
    proxy_cache hub;
    proxy_cache_key $request_method$request_uri$http_range$http_authorization;
    proxy_cache_valid 200 206 1m;
    proxy_set_header Range $http_range;
    proxy_intercept_errors on;
    recursive_error_pages on;
    location / {
      ${forward}
      proxy_pass ${hub.url};
      error_page 301 302 307 308 = @follow;
    }
    location @follow {
      set $followed $target;
      proxy_set_header Authorization "";
      proxy_http_version 1.1;
      proxy_pass $followed;
    }
  }`,
    rewrite: () => `
  server {
    listen 127.0.0.1:${port};
    location /hf/ {
      ${forward}
      proxy_set_header Host ${new URL(hub.url).host};
      proxy_pass ${hub.url}/;
      proxy_redirect off;
      proxy_hide_header X-Linked-Etag;
      proxy_hide_header X-Linked-Size;
      proxy_hide_header X-Repo-Commit;
      proxy_hide_header ETag;
      add_header ETag '"nginx-$msec"';
      sub_filter_types *;
      sub_filter_once off;
      sub_filter '${hub.url}' '${own}/hf';
    }
  }`,
  };
  return await startNginxWith({ url: kind === "cache" ? own : `${own}/hf` }, servers[kind]);
}

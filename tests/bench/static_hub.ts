import { freePort } from "../servers/free_port.ts";
import type { Content } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";

/** A model that nginx serves with the hub's protocol. */
export interface StaticModel {
  /** `org/model`. */
  readonly id: string;
  /** The directory of its files. */
  readonly directory: string;
  /** Files by path. */
  readonly files: Readonly<Record<string, Content>>;
  /** Whether to redirect to another origin, as the hub does for large files, instead of sending the file. */
  readonly redirect: boolean;
}

export interface StaticHub extends AsyncDisposable {
  /** For `HF_ENDPOINT`. */
  readonly url: string;
  /** The URL of a file, for programs without support for the hub. */
  fileUrl(id: string, path: string): string;
}

/**
 * Serves models with the hub's protocol from nginx only, so that the server's cost is low and equal for every
 * client: responses about a model are recorded once from the test hub, and files are sent with sendfile.
 *
 * @param options.tls Paths of a PEM certificate and key.
 * @param options.address The address to listen on. @default {127.0.0.1}
 * @param options.cdn Another origin for large files, and `cdnPath` the path there. @default {a second origin
 * of its own}
 */
export async function startStaticHub(
  models: readonly StaticModel[],
  options: {
    tls?: { cert: string; key: string } | undefined;
    address?: string;
    cdn?: string;
    cdnPath?: string;
  } = {},
): Promise<StaticHub> {
  const temporary = await Deno.makeTempDir({ prefix: "aim-bench-hub-" });
  const [port, cdn] = [freePort(), freePort()];
  const scheme = options.tls === undefined ? "http" : "https";
  const address = options.address ?? "127.0.0.1";
  const url = `${scheme}://${address}:${port}`;
  const cdnUrl = `${scheme}://${address}:${cdn}`;
  const maps: string[] = [];
  const api: string[] = [];
  const stored: string[] = [];
  for (const [index, model] of models.entries()) {
    const { commit, info, pages } = await takeDown(model, url);
    await Deno.mkdir(`${temporary}/${index}`);
    await Deno.writeTextFile(`${temporary}/${index}/info.json`, info);
    for (const [n, page] of pages.entries()) {
      await Deno.writeTextFile(`${temporary}/${index}/${n}.json`, page.body);
    }
    const cursors = pages.slice(1).map((page, n) => `"${page.cursor}" ${n + 1};`).join(" ");
    const links = pages.slice(0, -1).map((page, n) => `${n} '${page.link}';`).join(" ");
    maps.push(`map $arg_cursor $page${index} { default 0; ${cursors} }`);
    maps.push(`map $page${index} $link${index} { default ""; ${links} }`);
    const path = `/${model.id}/resolve/${commit}/`;
    // The header fields that Python's client reads.
    const digests = await Promise.all(Object.values(model.files).map((file) => file.digests()));
    const entries = Object.entries(model.files).map(([name, { size }], n) => {
      const etag = model.redirect ? digests[n]?.sha256 : digests[n]?.gitSha1;
      return [`"${path}${name}"`, etag ?? "", size] as const;
    });
    maps.push(
      `map $uri $etag${index} { default ""; ${entries.map(([u, etag]) => `${u} '"${etag}"';`).join(" ")} }`,
      `map $uri $size${index} { default ""; ${entries.map(([u, , size]) => `${u} ${size};`).join(" ")} }`,
    );
    api.push(
      `location = /api/models/${model.id}/revision/main { root ${temporary}; try_files /${index}/info.json =500; }`,
      `location = /api/models/${model.id}/tree/${commit} { root ${temporary}; add_header Link $link${index};
        try_files /${index}/$page${index}.json =500; }`,
      // Hugging Face's client requests this with POST per file; the response fits a model of one file.
      `location = /api/models/${model.id}/paths-info/${commit} { root ${temporary};
        error_page 405 =200 /api/models/${model.id}/tree/${commit}; try_files /${index}/0.json =500; }`,
      model.redirect
        ? `location ${path} { add_header X-Repo-Commit ${commit}; add_header X-Linked-Etag $etag${index};
        add_header X-Linked-Size $size${index}; rewrite ^${path}(.*)$ ${options.cdn ?? cdnUrl}${
          options.cdnPath ?? `/${index}`
        }/$1 redirect; }`
        : `location ${path} { add_header X-Repo-Commit ${commit}; etag off; add_header ETag $etag${index}; default_type application/octet-stream;
        alias ${model.directory}/; }`,
    );
    stored.push(`location /${index}/ { default_type application/octet-stream; alias ${model.directory}/; }`);
  }
  const { tls } = options;
  const secure = tls === undefined ? "" : `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`;
  const listen = (at: number) => `listen ${address}:${at} ${tls === undefined ? "" : "ssl"}; ${secure}`;
  const spool = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${temporary}/${kind};`).join(" ");
  await Deno.writeTextFile(
    `${temporary}/nginx.conf`,
    `daemon off;
${Deno.uid() === 0 ? "user root;" : ""}
worker_processes 2;
pid ${temporary}/nginx.pid;
error_log ${temporary}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  types { }
  default_type application/json;
  map_hash_bucket_size 256;
  map_hash_max_size 65536;
  ssl_session_cache shared:tls:1m;
  ${spool}
  ${maps.join("\n  ")}
  server { ${listen(port)} ${api.join("\n    ")} }
  server { ${listen(cdn)} ${stored.join("\n    ")} }
}
`,
  );
  const child = new Deno.Command("nginx", {
    args: ["-c", `${temporary}/nginx.conf`, "-p", temporary, "-e", `${temporary}/error.log`],
    env: { PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin` },
    stdout: "null",
    stderr: "null",
  }).spawn();
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ hostname: address, port: cdn })).close();
      break;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    url,
    fileUrl: (id, path) => `${cdnUrl}/${models.findIndex((model) => model.id === id)}/${path}`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(temporary, { recursive: true });
    },
  };
}

interface Page {
  readonly body: string;
  /** The cursor of this page. */
  readonly cursor: string;
  /** The link to the next page. */
  readonly link: string;
}

/** Records the test hub's responses about a model. @param url The server that will replay them. */
async function takeDown(
  { id, files, redirect }: StaticModel,
  url: string,
): Promise<{ commit: string; info: string; pages: Page[] }> {
  await using hub = await startHub({ repos: [{ id, files, lfs: () => redirect }] });
  const commit = hub.commit(id);
  const info = await (await fetch(`${hub.url}/api/models/${id}/revision/main?blobs=true`)).text();
  const pages: Page[] = [];
  let next: string | null = `${hub.url}/api/models/${id}/tree/${commit}?recursive=true`;
  while (next !== null) {
    const response: Response = await fetch(next);
    const link: string = (response.headers.get("link") ?? "").replaceAll(hub.url, url);
    const cursor: string = /[?&]cursor=([^&]*)/.exec(next)?.[1] ?? "";
    pages.push({ body: await response.text(), cursor, link });
    next = /<([^>]*)>/.exec(response.headers.get("link") ?? "")?.[1] ?? null;
  }
  return { commit, info, pages };
}

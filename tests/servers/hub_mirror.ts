// A mirror in front of a hub, on loopback, with the known deviations of mirrors, repository managers and
// proxies.
import type { HubServer } from "./hub_server.ts";

/** A deviation from the hub. */
export type MirrorWay =
  /** 404 to every query with `expand` (Artifactory). */
  | "no-expand"
  /** 404 to the tree route (Nexus); `no-tree-400` and `no-tree-405` with those statuses. */
  | "no-tree"
  | "no-tree-400"
  | "no-tree-405"
  /** `siblings` are only names, even if more is requested. */
  | "names-only"
  /** Its own ETags, and none of the hub's headers. */
  | "own-etags"
  /** The hub's ETags, made weak and with a suffix, as compressing proxies do. */
  | "weak-etags"
  /** Neither ETags nor the hub's headers, but a date. */
  | "no-etags"
  /** `X-Repo-Commit` names the branch. */
  | "commit-is-branch"
  /** Small files are gzip-encoded even if the client does not ask for it. */
  | "gzip"
  /** Bodies without a length. */
  | "chunked"
  /** `Range` is ignored. */
  | "no-ranges"
  /** Redirects lack the path below which the mirror is. */
  | "lost-path"
  /** Files are redirected to the hub itself. */
  | "redirect-307"
  | "redirect-308"
  /** A login page, with status 200, instead of files. */
  | "portal"
  /** The same instead of every response. */
  | "portal-everywhere"
  /** `{"error": …}` with status 200 instead of metadata. */
  | "json-error"
  /** The same instead of files. */
  | "json-error-files"
  /** Redirects point to a file on the client's host. */
  | "file-redirect"
  /** Each page of the tree links to itself as the next one. */
  | "page-circle"
  /** Every page of the tree is the first one, as with olah. */
  | "first-page"
  /** Requests for files get 429 with `RateLimit` and no `Retry-After`; `limited-once` only the first one. */
  | "limited"
  | "limited-once";

export interface HubMirror extends AsyncDisposable {
  /** With a path, without a trailing slash. */
  readonly url: string;
  /** `GET /path` of each request. */
  readonly requests: string[];
  /** Requests with a token. */
  readonly authorized: string[];
}

const PATH = "/artifactory/api/huggingfaceml/hf";

/** Starts a mirror. It follows the hub's redirects itself, unless a deviation says otherwise. */
export function startHubMirror(hub: HubServer, ...ways: MirrorWay[]): HubMirror {
  const is = (way: MirrorWay) => ways.includes(way);
  const requests: string[] = [];
  const authorized: string[] = [];
  let limited = false;

  async function answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    requests.push(`${request.method} ${url.pathname}${url.search}`);
    if (request.headers.has("authorization")) authorized.push(url.pathname);
    if (is("portal-everywhere") || !url.pathname.startsWith(`${PATH}/`)) return portal();
    const path = url.pathname.slice(PATH.length);
    const isApi = path.startsWith("/api/models/");
    return isApi ? await metadata(path, url) : await file(path, url, request);
  }

  async function metadata(path: string, url: URL): Promise<Response> {
    if (is("json-error")) return Response.json({ error: "upstream is down" });
    if (is("no-expand") && url.searchParams.has("expand")) return new Response("Not Found", { status: 404 });
    if (path.includes("/tree/")) {
      if (is("no-tree")) return new Response("Not Found", { status: 404 });
      if (is("no-tree-400")) return new Response("Bad Request", { status: 400 });
      if (is("no-tree-405")) return new Response("", { status: 405 });
    }
    if (is("first-page")) url.searchParams.delete("cursor");
    if (is("names-only")) url.searchParams.delete("blobs");
    const answered = await fetch(hub.url + path + url.search, { redirect: "manual" });
    const headers = new Headers(answered.headers);
    const link = headers.get("link");
    const next = `${url.origin}${PATH}/`;
    if (link !== null) headers.set("link", link.replace(`${hub.url}/`, next));
    if (is("page-circle") && path.includes("/tree/")) headers.set("link", `<${url.href}>; rel="next"`);
    return new Response(await answered.bytes(), { status: answered.status, headers });
  }

  async function file(path: string, url: URL, request: Request): Promise<Response> {
    if (is("portal")) return portal();
    if (is("json-error-files")) return Response.json({ errors: [{ status: 404, message: "no artifact" }] });
    if (is("file-redirect")) return Response.redirect("file:///etc/passwd", 302);
    if (is("redirect-307")) return Response.redirect(hub.url + path, 307);
    if (is("redirect-308")) return Response.redirect(hub.url + path, 308);
    if (is("limited") || (is("limited-once") && !limited)) {
      limited = true;
      return new Response("", {
        status: 429,
        headers: {
          "RateLimit": '"resolvers";r=0;t=1',
          "RateLimit-Policy": '"fixed window";"resolvers";q=9;w=1',
        },
      });
    }
    if (is("lost-path") && !path.startsWith("/api/")) {
      const hop = await fetch(hub.url + path, { redirect: "manual" });
      await hop.body?.cancel();
      const location = hop.headers.get("location");
      if (hop.status === 307 && location !== null) {
        return new Response("", { status: 307, headers: { location } });
      }
    }
    const range = request.headers.get("range");
    const asked: Record<string, string> = range === null || is("no-ranges") ? {} : { range };
    const answered = await fetch(hub.url + path + url.search, { method: request.method, headers: asked });
    const headers = new Headers(answered.headers);
    adapt(headers);
    let body: Uint8Array<ArrayBuffer> | null = request.method === "HEAD" ? null : await answered.bytes();
    const isText = /\.(?:json|txt|md)$/.test(path);
    if (is("gzip") && isText && body !== null && answered.status === 200) {
      const packed = new Blob([body]).stream().pipeThrough(
        new CompressionStream("gzip"),
      );
      body = await new Response(packed).bytes();
      headers.set("content-encoding", "gzip");
      headers.set("content-length", `${body.length}`);
    }
    const unmeasured = is("chunked") && body !== null;
    if (unmeasured) headers.delete("content-length");
    return new Response(unmeasured && body !== null ? new Blob([body]).stream() : body, {
      status: answered.status,
      headers,
    });
  }

  function adapt(headers: Headers): void {
    const hubs = ["x-linked-etag", "x-linked-size", "x-repo-commit", "x-xet-hash", "link"];
    if (is("own-etags") || is("no-etags")) { for (const name of [...hubs, "etag"]) headers.delete(name); }
    // Has the form of git's id, as a SHA-1 of the content would, but differs from it.
    if (is("own-etags")) headers.set("etag", `"${"0123456789".repeat(4)}"`);
    if (is("no-etags")) headers.set("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT");
    if (is("weak-etags")) {
      const etag = headers.get("etag");
      if (etag !== null) headers.set("etag", `W/${etag.replace(/"$/, '-gzip"')}`);
    }
    if (is("commit-is-branch")) headers.set("x-repo-commit", "main");
  }

  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
  return {
    url: `http://127.0.0.1:${server.addr.port}${PATH}`,
    requests,
    authorized,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function portal(): Response {
  return new Response("<!DOCTYPE html><html><head><title>Sign in</title></head></html>", {
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}

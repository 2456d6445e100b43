// A hub with the Hugging Face Hub's protocol, on loopback, with a second origin for large files like the real
// one.
//
//   await using hub = await startHub({ repos: [{ id: "org/model", files: { "config.json": "{}" } }] });
//   HF_ENDPOINT=hub.url …
//   hub.faults.push({ kind: "cut", after: 1 << 20 });        // adds a fault; see faults.ts for all kinds
//   hub.requests.filter((r) => r.role === "cdn")             // requests, with range, connection, bytes sent
//   hub.leaks                                                // tokens sent to the second origin: none
//
// As on the real hub: large files are redirected (302) to a signed URL that expires; small ones (307) to a
// relative URL of the commit, except empty files and files of private and gated repositories. Metadata of
// gated repositories is public, their files are not.
import { createHash } from "node:crypto";
import { bytesContent, type Content, type ContentDigests } from "./content.ts";
import type { Fault, SeenRequest } from "./faults.ts";
import {
  type HttpReply,
  type HttpRequest,
  type HttpServer,
  type PlainReply,
  serveHttp,
} from "./http_server.ts";

export type FileContents = Readonly<Record<string, Content | Uint8Array | string>>;

/** One repository. */
export interface HubRepo {
  /** `org/model`. */
  readonly id: string;
  /** Files of branch `main`. */
  readonly files: FileContents;
  /** Files of further branches and tags by name (`v1.0`, `refs/pr/1`). */
  readonly refs?: Readonly<Record<string, FileContents>>;
  /** @default {false} */
  readonly gated?: false | "auto" | "manual";
  /** @default {false} */
  readonly private?: boolean;
  /** Tokens that may read it, if it is gated or private. */
  readonly allowed?: readonly string[];
  /** Which files are stored in LFS. @default {weights by their suffix, and all from 10 MiB} */
  readonly lfs?: (path: string, size: number) => boolean;
  /** Which of the LFS files are also available by the xet protocol. @default {none} */
  readonly xet?: (path: string) => boolean;
}

export interface HubOptions {
  readonly repos: readonly HubRepo[];
  /** Tokens that the hub knows; others get 401. @default {those in `allowed`} */
  readonly tokens?: readonly string[];
  /** Entries per page of a tree. @default {1000} */
  readonly pageSize?: number;
  /** Lifetime of a signed URL, in seconds. @default {3600} */
  readonly urlLifetime?: number;
  /** The initial faults; the same list as `HubServer.faults`. */
  readonly faults?: Fault[];
  /** Seed for all random choices. @default {1} */
  readonly seed?: number;
  /** @default {0} */
  readonly port?: number;
  /** PEM certificate and key, for TLS on both origins. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Redirects large files to another server instead of the second origin. */
  readonly redirect?: (file: { id: string; commit: string; path: string; sha256: string }) => string;
}

export interface HubServer extends AsyncDisposable {
  /** For `HF_ENDPOINT`, without a trailing slash. */
  readonly url: string;
  /** The second origin. */
  readonly cdnUrl: string;
  /** Target of redirects, if a proxy is in front of `cdnUrl`. */
  publicCdnUrl: string;
  /** All requests to both origins so far. Tests may clear it. */
  readonly requests: SeenRequest[];
  /** Can be changed at any time. */
  readonly faults: Fault[];
  /** Requests that sent a hub token to the second origin. */
  readonly leaks: string[];
  /** The current commit of a ref. */
  commit(id: string, ref?: string): string;
  /** Digests of a file at a ref. */
  digests(id: string, path: string, ref?: string): ContentDigests;
  /** Adds a commit to a branch with this content of the file (null: without the file); resolves to its id. */
  push(
    id: string,
    path: string,
    content: Content | Uint8Array | string | null,
    ref?: string,
  ): Promise<string>;
  /** Replaces a file within the ref's current commit, which a real hub never does. */
  replace(id: string, path: string, content: Content | Uint8Array | string, ref?: string): Promise<void>;
  /** Expires all signed URLs sent so far. */
  expireUrls(): void;
  /** Bytes of file contents sent, by both origins. */
  bytesSent(): number;
  /** Connections open now, to both origins. */
  readonly connections: number;
  close(): Promise<void>;
}

interface Entry {
  readonly path: string;
  readonly content: Content;
  readonly digests: ContentDigests;
  readonly lfs: boolean;
  readonly xetHash: string | null;
  /** Git's id of the blob in the repository: the file or its LFS pointer. */
  readonly oid: string;
}

interface Commit {
  readonly id: string;
  readonly entries: Map<string, Entry>;
}

interface Repo {
  readonly options: HubRepo;
  readonly refs: Map<string, Commit>;
  readonly commits: Map<string, Commit>;
}

/** Starts the hub on 127.0.0.1; hashes all files first. */
export async function startHub(options: HubOptions): Promise<HubServer> {
  const hub = new Hub(options);
  for (const repo of options.repos) await hub.add(repo);
  hub.listen();
  return hub;
}

const DATE = "2025-01-01T00:00:00.000Z";
const CAS_TOKEN = "cas-read-token";

class Hub implements HubServer {
  readonly requests: SeenRequest[] = [];
  readonly faults: Fault[];
  readonly leaks: string[] = [];
  publicCdnUrl = "";
  readonly #options: HubOptions;
  readonly #repos = new Map<string, Repo>();
  readonly #tokens: ReadonlySet<string>;
  /** Content of the second origin by SHA-256. */
  readonly #stored = new Map<string, Entry>();
  #generation = 0;
  #main: HttpServer | undefined;
  #cdn: HttpServer | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
    this.faults = options.faults ?? [];
    this.#tokens = new Set(options.tokens ?? options.repos.flatMap((repo) => repo.allowed ?? []));
  }

  async add(options: HubRepo): Promise<void> {
    const repo: Repo = { options, refs: new Map(), commits: new Map() };
    this.#repos.set(options.id, repo);
    for (const [ref, files] of Object.entries({ main: options.files, ...options.refs })) {
      const entries = new Map<string, Entry>();
      for (const [path, content] of Object.entries(files)) {
        entries.set(path, await this.#entry(repo, path, content));
      }
      keep(repo, ref, entries);
    }
  }

  listen(): void {
    const { port, tls, seed = 1 } = this.#options;
    const { requests, faults } = this;
    this.#cdn = serveHttp({
      tls,
      faults,
      requests,
      seed: seed + 1,
      classify: (_method, url) => ({
        role: "cdn",
        file: this.#stored.get(url.pathname.split("/").at(-1) ?? "")?.path ?? null,
      }),
      handle: (request) => Promise.resolve(this.#second(request)),
    });
    this.#main = serveHttp({
      ...(port === undefined ? {} : { port }),
      tls,
      faults,
      requests,
      seed,
      classify: (_method, url) => classify(url),
      handle: (request) => Promise.resolve(this.#first(request)),
      failure: (status) => json(status, { error: status === 429 ? "Too many requests" : "Internal Error" }),
    });
    this.publicCdnUrl = this.cdnUrl;
  }

  get url(): string {
    return this.#main?.url ?? "";
  }

  get cdnUrl(): string {
    return this.#cdn?.url ?? "";
  }

  get connections(): number {
    return (this.#main?.connections ?? 0) + (this.#cdn?.connections ?? 0);
  }

  commit(id: string, ref = "main"): string {
    return this.#at(id, ref).id;
  }

  digests(id: string, path: string, ref = "main"): ContentDigests {
    const entry = this.#at(id, ref).entries.get(path);
    if (entry === undefined) throw new Error(`${id} has no ${path}`);
    return entry.digests;
  }

  async push(
    id: string,
    path: string,
    content: Content | Uint8Array | string | null,
    ref = "main",
  ): Promise<string> {
    const repo = this.#repo(id);
    const entries = new Map(this.#at(id, ref).entries);
    if (content === null) entries.delete(path);
    else entries.set(path, await this.#entry(repo, path, content));
    return keep(repo, ref, entries).id;
  }

  async replace(
    id: string,
    path: string,
    content: Content | Uint8Array | string,
    ref = "main",
  ): Promise<void> {
    this.#at(id, ref).entries.set(path, await this.#entry(this.#repo(id), path, content));
  }

  expireUrls(): void {
    this.#generation++;
  }

  bytesSent(): number {
    return this.requests.filter((r) => (r.role === "cdn" || r.role === "resolve") && r.status < 300)
      .reduce((sum, r) => sum + r.sent, 0);
  }

  async close(): Promise<void> {
    await Promise.all([this.#main?.close(), this.#cdn?.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #repo(id: string): Repo {
    const repo = this.#repos.get(id);
    if (repo === undefined) throw new Error(`no repository ${id}`);
    return repo;
  }

  #at(id: string, ref: string): Commit {
    const commit = find(this.#repo(id), ref);
    if (commit === null) throw new Error(`${id} has no revision ${ref}`);
    return commit;
  }

  async #entry(repo: Repo, path: string, given: Content | Uint8Array | string): Promise<Entry> {
    const content = typeof given === "string" || given instanceof Uint8Array ? bytesContent(given) : given;
    const digests = await content.digests();
    const lfs = (repo.options.lfs ?? isLfs)(path, content.size);
    const xetHash = lfs && (repo.options.xet?.(path) ?? false)
      ? hex("sha256", `xet ${digests.sha256}`)
      : null;
    const oid = lfs ? gitBlob(pointer(digests.sha256, content.size)) : digests.gitSha1;
    const entry: Entry = { path, content, digests, lfs, xetHash, oid };
    if (lfs) this.#stored.set(digests.sha256, entry);
    if (xetHash !== null) this.#stored.set(xetHash, entry);
    return entry;
  }

  #first(request: HttpRequest): HttpReply | Promise<HttpReply> {
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;
    if (token !== null && !this.#tokens.has(token)) {
      return failure(401, null, "Invalid credentials in Authorization header");
    }
    const parts = request.url.pathname.slice(1).split("/").map(decodeURIComponent);
    if (parts[0] !== "api") return this.#resolve(request, parts, token);
    if (parts[1] === "whoami-v2") {
      return token === null
        ? failure(401, null, "Invalid username or password.")
        : json(200, { type: "user", name: "tester", fullname: "Tester", auth: { type: "access_token" } });
    }
    if (parts[1] === "resolve-cache" && parts[2] === "models") {
      return this.#resolveCache(parts.slice(3), token);
    }
    if (parts[1] !== "models") {
      return failure(404, null, "Sorry, we can't find the page you are looking for.");
    }
    const [id, rest] = this.#split(parts.slice(2));
    const repo = this.#readable(id, token);
    if ("status" in repo) return repo;
    const [what = "", ...more] = rest;
    switch (what) {
      case "":
      case "revision": {
        const commit = find(repo, more.join("/") || "HEAD");
        return commit === null
          ? noRevision(more.join("/"))
          : modelInfo(repo, commit, request.url.searchParams);
      }
      case "refs":
        return refs(repo);
      case "tree":
        return this.#tree(repo, more, request);
      case "paths-info":
        return pathsInfo(repo, more.join("/"), request);
      case "xet-read-token": {
        const denied = this.#gate(repo, token);
        if (denied !== null) return denied;
        const exp = Math.floor(Date.now() / 1000) + 900;
        return json(200, { accessToken: CAS_TOKEN, exp, casUrl: `${this.publicCdnUrl}/cas` }, {
          "X-Xet-Access-Token": CAS_TOKEN,
          "X-Xet-Token-Expiration": `${exp}`,
          "X-Xet-Cas-Url": `${this.publicCdnUrl}/cas`,
        });
      }
    }
    return failure(404, null, "Not Found");
  }

  /** `org/model/…` or `model/…`. */
  #split(parts: readonly string[]): [string, string[]] {
    const one = parts[0] ?? "";
    if (this.#repos.has(one)) return [one, parts.slice(1)];
    return [parts.slice(0, 2).join("/"), parts.slice(2)];
  }

  /** A repository visible to the token. Without a token, the hub does not reveal whether it exists. */
  #readable(id: string, token: string | null): Repo | PlainReply {
    const repo = this.#repos.get(id);
    const hidden = repo?.options.private === true && !(repo.options.allowed ?? []).includes(token ?? "");
    if (repo !== undefined && !hidden) return repo;
    return token === null
      ? failure(401, "RepoNotFound", "Invalid username or password.", "Repository not found")
      : failure(404, "RepoNotFound", "Repository not found");
  }

  #gate(repo: Repo, token: string | null): HttpReply | null {
    const { id, gated = false, allowed = [] } = repo.options;
    if (gated === false || allowed.includes(token ?? "")) return null;
    const start = `Access to model ${id} is restricted`;
    return token === null
      ? failure(
        401,
        "GatedRepo",
        `${start}. You must have access to it and be authenticated to access it. Please log in.`,
      )
      : failure(
        403,
        "GatedRepo",
        `${start} and you are not in the authorized list. Visit ${this.url}/${id} to ask for access.`,
      );
  }

  #tree(repo: Repo, more: readonly string[], request: HttpRequest): HttpReply {
    const { searchParams } = request.url;
    const [revision, path] = revisionAndPath(more);
    const commit = find(repo, revision);
    if (commit === null) return noRevision(revision);
    const truth = (name: string) => ["true", "1", "True"].includes(searchParams.get(name) ?? "");
    const all = listing(commit, path, truth("recursive"), truth("expand"));
    if (all.length === 0 && path !== "") {
      return failure(404, "EntryNotFound", `${path} does not exist on "${revision}"`);
    }
    const size = Math.min(Number(searchParams.get("limit") ?? Infinity), this.#options.pageSize ?? 1000);
    const start = Number(atob(searchParams.get("cursor") ?? "") || 0);
    const page = json(200, all.slice(start, start + size));
    if (start + size >= all.length) return page;
    const next = new URL(request.target, this.#self(request));
    next.searchParams.set("cursor", btoa(`${start + size}`));
    return { ...page, headers: { ...page.headers, Link: `<${next.href}>; rel="next"` } };
  }

  /** This server's origin as the client sees it, which may be a proxy's. */
  #self(request: HttpRequest): string {
    return `${this.url.split(":")[0]}://${request.headers.get("host") ?? ""}`;
  }

  /** `GET /org/model/resolve/REVISION/PATH`, and `raw`. */
  #resolve(request: HttpRequest, parts: readonly string[], token: string | null): HttpReply {
    const [id, [verb = "", ...rest]] = this.#split(parts);
    if (verb !== "resolve" && verb !== "raw") return failure(404, null, "Not Found");
    const repo = this.#readable(id, token);
    if ("status" in repo) return repo;
    const denied = this.#gate(repo, token);
    if (denied !== null) return denied;
    const [revision, path] = revisionAndPath(rest);
    const commit = find(repo, revision);
    if (commit === null) return noRevision(revision);
    const entry = commit.entries.get(path);
    const headers = { "X-Repo-Commit": commit.id, "Accept-Ranges": "bytes" };
    if (entry === undefined) return withHeaders(failure(404, "EntryNotFound", "Entry not found"), headers);
    if (verb === "raw" && entry.lfs) {
      const text = pointer(entry.digests.sha256, entry.content.size);
      return { file: bytesContent(text), etag: `"${entry.oid}"`, headers: { ...headers, ...TEXT } };
    }
    if (entry.lfs) return this.#large(request, repo, commit, entry, headers);
    const direct = repo.options.private || repo.options.gated || entry.content.size === 0 ||
      !id.includes("/");
    if (direct || verb === "raw") return small(entry, headers);
    const target = `/api/resolve-cache/models/${id}/${commit.id}/${encodePath(path)}` +
      `?${encodeURIComponent(request.url.pathname)}=&etag=${encodeURIComponent(`"${entry.oid}"`)}`;
    return {
      status: 307,
      headers: { ...headers, ...TEXT, Location: target },
      body: `Temporary Redirect. ${target}`,
    };
  }

  #large(
    request: HttpRequest,
    repo: Repo,
    commit: Commit,
    entry: Entry,
    common: Readonly<Record<string, string>>,
  ): HttpReply {
    const { sha256 } = entry.digests;
    const { id } = repo.options;
    const headers: Record<string, string> = {
      ...common,
      "X-Linked-Size": `${entry.content.size}`,
      "X-Linked-ETag": `"${sha256}"`,
    };
    if (entry.xetHash !== null) {
      headers["X-Xet-Hash"] = entry.xetHash;
      const auth = `${this.#self(request)}/api/models/${id}/xet-read-token/${commit.id}`;
      const info = `${this.publicCdnUrl}/cas/v1/reconstructions/${entry.xetHash}`;
      headers.Link = `<${auth}>; rel="xet-auth", <${info}>; rel="xet-reconstruction-info"`;
      if (request.headers.get("accept")?.includes(XET_INFO)) {
        const body = {
          hash: entry.xetHash,
          refreshUrl: auth,
          reconstructionUrl: info,
          etag: sha256,
          size: entry.content.size,
        };
        return json(200, body, { ...headers, "Content-Type": XET_INFO });
      }
    }
    const target = this.#options.redirect?.({ id, commit: commit.id, path: entry.path, sha256 }) ??
      this.#signed(`/repos/${hex("sha1", id).slice(0, 4)}/${sha256}`, entry.path);
    return {
      status: 302,
      headers: { ...headers, ...TEXT, Location: target },
      body: `Found. Redirecting to ${target}`,
    };
  }

  #resolveCache(parts: readonly string[], token: string | null): HttpReply {
    const [id, [commitId = "", ...path]] = this.#split(parts);
    const repo = this.#readable(id, token);
    if ("status" in repo) return repo;
    const commit = repo.commits.get(commitId);
    if (commit === undefined) return noRevision(commitId);
    const entry = commit.entries.get(path.join("/"));
    if (entry === undefined) return failure(404, "EntryNotFound", "Entry not found");
    return small(entry, { "X-Repo-Commit": commit.id });
  }

  #signed(path: string, name: string): string {
    const expires = Math.floor(Date.now() / 1000) + (this.#options.urlLifetime ?? 3600);
    const query = new URLSearchParams({
      "response-content-disposition": `inline; filename*=UTF-8''${
        encodeURIComponent(name.split("/").at(-1) ?? "")
      }`,
      Expires: `${expires}`,
      Policy: btoa(JSON.stringify({ Statement: [{ Resource: path, DateLessThan: expires }] })),
      Signature: this.#signature(path, expires),
      "Key-Pair-Id": "K0000000000000",
    });
    return `${this.publicCdnUrl}${path}?${query}`;
  }

  #signature(path: string, expires: number | string): string {
    return hex("sha256", `${this.#generation} ${expires} ${path}`);
  }

  /** The second origin: files by SHA-256 under a signed query, and the xet store. */
  #second(request: HttpRequest): HttpReply {
    const { pathname, searchParams } = request.url;
    const auth = request.headers.get("authorization");
    const cas = pathname.startsWith("/cas/");
    if (auth !== null && !(cas && auth === `Bearer ${CAS_TOKEN}`)) {
      this.leaks.push(`${request.method} ${pathname}`);
      return xmlError(400, "InvalidArgument", "Only one auth mechanism allowed");
    }
    if (cas) {
      return auth === null
        ? xmlError(401, "Unauthorized", "no token")
        : this.#reconstruction(pathname, request.headers.get("range"));
    }
    const expires = searchParams.get("Expires") ?? "0";
    const good = searchParams.get("Signature") === this.#signature(pathname, expires) &&
      Number(expires) > Date.now() / 1000;
    if (!good) return xmlError(403, "AccessDenied", "Access denied");
    const entry = this.#stored.get(pathname.split("/").at(-1) ?? "");
    if (entry === undefined) return xmlError(404, "NoSuchKey", "The specified key does not exist.");
    if (pathname.startsWith("/xorbs/")) {
      return { file: xorb(entry.content, Number(pathname.split("/")[2])), etag: `"xorb"` };
    }
    // The store's ETag is not the SHA-256 that the hub sends as X-Linked-ETag.
    return {
      file: entry.content,
      etag: `"${hex("md5", entry.digests.sha256)}"`,
      headers: {
        "Last-Modified": new Date(DATE).toUTCString(),
        "Content-Disposition": searchParams.get("response-content-disposition") ?? "inline",
        "X-Cache": "Miss from test",
      },
    };
  }

  /** https://huggingface.co/docs/xet/en/download-protocol, version 2. */
  #reconstruction(pathname: string, range: string | null): HttpReply {
    const hash = pathname.split("/").at(-1) ?? "";
    const entry = this.#stored.get(hash);
    const version = /^\/cas\/(v\d)\/reconstructions\//.exec(pathname)?.[1];
    if (entry === undefined || version !== "v2") return xmlError(404, "NotFound", "no such reconstruction");
    const { size } = entry.content;
    const asked = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
    const start = Number(asked?.[1] ?? 0);
    const end = Math.min(size, Number(asked?.[2] ?? size - 1) + 1);
    if (start >= end) return { status: 416 };
    const terms = [];
    const xorbs: Record<string, unknown[]> = {};
    for (let index = Math.floor(start / XORB); index * XORB < end; index++) {
      const base = index * XORB;
      const first = Math.floor(Math.max(0, start - base) / CHUNK);
      const last = Math.ceil(Math.min(XORB, end - base, size - base) / CHUNK);
      const chunks = { start: first, end: last };
      const unpacked = Math.min(size - base, last * CHUNK) - first * CHUNK;
      const id = hex("sha256", `${hash} ${index}`);
      const bytes = {
        start: first * (CHUNK + 8),
        end: first * (CHUNK + 8) + unpacked + (last - first) * 8 - 1,
      };
      terms.push({ hash: id, unpacked_length: unpacked, range: chunks });
      xorbs[id] = [{ url: this.#signed(`/xorbs/${index}/${hash}`, "xorb"), ranges: [{ chunks, bytes }] }];
    }
    return json(200, { offset_into_first_range: start % CHUNK, terms, xorbs });
  }
}

const CHUNK = 65536;
/** Bytes of a file in one xorb. */
const XORB = 512 * CHUNK;

/** Part of a file as the xet store keeps it: uncompressed chunks, each after an 8-byte header. */
function xorb(content: Content, index: number): Content {
  const base = index * XORB;
  const length = Math.min(XORB, content.size - base);
  const size = length + Math.ceil(length / CHUNK) * 8;
  return {
    size,
    digests: () => content.digests(),
    async *read(start, end) {
      for (let chunk = Math.floor(start / (CHUNK + 8)); chunk * (CHUNK + 8) < end; chunk++) {
        const at = chunk * (CHUNK + 8);
        const bytes = Math.min(CHUNK, length - chunk * CHUNK);
        const packed = new Uint8Array(bytes + 8);
        packed.set([0, bytes, bytes >> 8, bytes >> 16, 0, bytes, bytes >> 8, bytes >> 16]);
        let to = 8;
        for await (const piece of content.read(base + chunk * CHUNK, base + chunk * CHUNK + bytes)) {
          packed.set(piece, to);
          to += piece.length;
        }
        yield packed.subarray(Math.max(0, start - at), Math.min(packed.length, end - at));
      }
    },
  };
}

const XET_INFO = "application/vnd.xet-fileinfo+json";
const TEXT = { "Content-Type": "text/plain; charset=utf-8" };
const LFS = /\.(safetensors|bin|gguf|pt|pth|ckpt|h5|msgpack|model|onnx|npz|npy|parquet|zip|gz|tar|zst)$/;

function isLfs(path: string, size: number): boolean {
  return LFS.test(path) || size >= 10 * 2 ** 20;
}

function classify(url: URL): { role: "api" | "resolve"; file: string | null } {
  const path = decodeURIComponent(url.pathname);
  const cached = /^\/api\/resolve-cache\/models\/(?:[^/]+\/){1,2}?[0-9a-f]{40}\/(.+)$/.exec(path);
  if (cached !== null) return { role: "resolve", file: cached[1] ?? null };
  if (path.startsWith("/api/")) return { role: "api", file: null };
  const resolved = /^\/(?:[^/]+\/){1,2}?(?:resolve|raw)\/(.+)$/.exec(path);
  return {
    role: "resolve",
    file: resolved === null ? null : revisionAndPath((resolved[1] ?? "").split("/"))[1],
  };
}

/** In a path, only a revision such as `refs/pr/1` contains slashes. */
function revisionAndPath(parts: readonly string[]): [string, string] {
  const length = parts[0] === "refs" ? 3 : 1;
  // In encoded form (`refs%2Fpr%2F1`), it is one part.
  return [parts.slice(0, length).join("/"), parts.slice(length).join("/").replace(/\/$/, "")];
}

function find(repo: Repo, revision: string): Commit | null {
  return repo.refs.get(revision === "HEAD" ? "main" : revision) ?? repo.commits.get(revision) ?? null;
}

/** Creates a commit whose id depends on its content, as in git. */
function keep(repo: Repo, ref: string, entries: Map<string, Entry>): Commit {
  const sorted = new Map([...entries].sort(([a], [b]) => a < b ? -1 : 1));
  const tree = [...sorted].map(([path, entry]) => `${entry.oid} ${path}\n`).join("");
  const commit: Commit = { id: hex("sha1", `commit ${repo.options.id}\n${tree}`), entries: sorted };
  repo.refs.set(ref, commit);
  repo.commits.set(commit.id, commit);
  return commit;
}

function modelInfo(repo: Repo, commit: Commit, query: URLSearchParams): HttpReply {
  const { id, gated = false, private: hidden = false } = repo.options;
  const blobs = ["true", "1", "True"].includes(query.get("blobs") ?? "");
  const siblings = [...commit.entries.values()].map((entry) => ({
    rfilename: entry.path,
    ...(blobs ? { blobId: entry.oid, size: entry.content.size, ...lfsOf(entry, "sha256") } : {}),
  }));
  const always = { _id: hex("sha1", id).slice(0, 24), id };
  const fields: Record<string, unknown> = {
    modelId: id,
    author: id.split("/")[0],
    sha: commit.id,
    lastModified: DATE,
    createdAt: DATE,
    private: hidden,
    gated,
    disabled: false,
    downloads: 0,
    likes: 0,
    pipeline_tag: "text-generation",
    library_name: "transformers",
    tags: ["transformers", "safetensors"],
    usedStorage: [...commit.entries.values()].reduce((sum, entry) => sum + entry.content.size, 0),
    siblings,
  };
  const expand = [...query.getAll("expand"), ...query.getAll("expand[]")];
  const chosen = expand.length === 0
    ? fields
    : Object.fromEntries(expand.filter((name) => name in fields).map((name) => [name, fields[name]]));
  return json(200, { ...always, ...chosen });
}

function refs(repo: Repo): HttpReply {
  const all = [...repo.refs].map(([name, { id }]) => ({ name, id }));
  const pulls = all.filter(({ name }) => name.startsWith("refs/pr/"));
  const tags = all.filter(({ name }) => /^v?\d/.test(name));
  const branches = all.filter((ref) => !pulls.includes(ref) && !tags.includes(ref));
  const show = (kind: string) => ({ name, id }: { name: string; id: string }) => ({
    name,
    ref: name.startsWith("refs/") ? name : `refs/${kind}/${name}`,
    targetCommit: id,
  });
  return json(200, {
    branches: branches.map(show("heads")),
    tags: tags.map(show("tags")),
    converts: [],
    pullRequests: pulls.map(show("pr")),
  });
}

async function pathsInfo(repo: Repo, revision: string, request: HttpRequest): Promise<HttpReply> {
  if (request.method !== "POST") return { status: 405 };
  const commit = find(repo, revision);
  if (commit === null) return noRevision(revision);
  const pieces: Uint8Array[] = [];
  for await (const piece of request.body) pieces.push(piece.slice());
  const text = new TextDecoder().decode(await new Blob(pieces as BlobPart[]).arrayBuffer());
  const form = request.headers.get("content-type")?.startsWith("application/json")
    ? JSON.parse(text) as { paths: string | string[]; expand?: boolean }
    : {
      paths: new URLSearchParams(text).getAll("paths"),
      expand: new URLSearchParams(text).get("expand") === "True",
    };
  const wanted = new Set([form.paths].flat());
  const all = listing(commit, "", true, form.expand ?? false);
  return json(200, all.filter((item) => wanted.has(item.path)));
}

interface Listed {
  readonly type: "file" | "directory";
  readonly oid: string;
  readonly size: number;
  readonly path: string;
}

/** Files and directories below a path, in git's order. */
function listing(commit: Commit, under: string, recursive: boolean, expand: boolean): Listed[] {
  const prefix = under === "" ? "" : `${under}/`;
  const extra = expand
    ? { lastCommit: { id: commit.id, title: "Upload", date: DATE }, securityFileStatus: null }
    : {};
  const found = new Map<string, Listed>();
  for (const entry of commit.entries.values()) {
    if (!entry.path.startsWith(prefix)) continue;
    const parts = entry.path.slice(prefix.length).split("/");
    for (let depth = 1; depth < parts.length && (recursive || depth === 1); depth++) {
      const path = prefix + parts.slice(0, depth).join("/");
      found.set(path, { type: "directory", oid: hex("sha1", `tree ${path}`), size: 0, path, ...extra });
    }
    if (!recursive && parts.length > 1) continue;
    const xet = entry.xetHash === null ? {} : { xetHash: entry.xetHash };
    found.set(entry.path, {
      type: "file",
      oid: entry.oid,
      size: entry.content.size,
      ...lfsOf(entry, "oid"),
      ...xet,
      path: entry.path,
      ...extra,
    });
  }
  return [...found.values()];
}

function lfsOf(entry: Entry, name: "oid" | "sha256"): object {
  if (!entry.lfs) return {};
  const { sha256 } = entry.digests;
  const { size } = entry.content;
  return { lfs: { [name]: sha256, size, pointerSize: pointer(sha256, size).length } };
}

function small(entry: Entry, headers: Readonly<Record<string, string>>): HttpReply {
  const name = entry.path.split("/").at(-1) ?? "";
  return {
    file: entry.content,
    etag: `"${entry.oid}"`,
    headers: {
      ...headers,
      ...TEXT,
      "Content-Disposition": `inline; filename*=UTF-8''${encodeURIComponent(name)}; filename="${
        name.replace(/[^\x20-\x7e]/g, "?")
      }";`,
    },
  };
}

function pointer(sha256: string, size: number): string {
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`;
}

function gitBlob(text: string): string {
  return hex("sha1", `blob ${text.length}\0${text}`);
}

function hex(algorithm: string, text: string): string {
  return createHash(algorithm).update(text).digest("hex");
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): PlainReply {
  return {
    status,
    headers: { "Content-Type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(value),
  };
}

/** An error as the hub sends it: as JSON, and in headers for HEAD requests. */
function failure(status: number, code: string | null, error: string, message = error): PlainReply {
  return json(status, { error }, {
    ...(code === null ? {} : { "X-Error-Code": code }),
    "X-Error-Message": message,
  });
}

function noRevision(revision: string): PlainReply {
  return failure(404, "RevisionNotFound", `Invalid rev id: ${revision}`);
}

function withHeaders(reply: PlainReply, headers: Readonly<Record<string, string>>): PlainReply {
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

function xmlError(status: number, code: string, message: string): PlainReply {
  return {
    status,
    headers: { "Content-Type": "application/xml" },
    body:
      `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  };
}

// A registry with one repository (the pull part of the OCI distribution specification). It redirects blobs to
// a second origin, as registries with object storage do, and can require tokens that expire. It supports the
// same faults as the other servers.
import { bytesContent } from "./content.ts";
import type { Fault, SeenRequest } from "./faults.ts";
import { type HttpReply, type HttpRequest, serveHttp } from "./http_server.ts";

/** A layer on the server. */
export interface ServedLayer {
  readonly mediaType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Its name in faults. */
  readonly file: string;
}

export interface OciServerOptions {
  readonly layers: readonly ServedLayer[];
  readonly artifactType: string;
  readonly faults?: Fault[];
  /** Requests per token. @default {no token is required} */
  readonly usesOfToken?: number;
}

export interface OciServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`, over plain HTTP. */
  readonly host: string;
  /** The second origin. */
  readonly cdnUrl: string;
  /** Target of redirects, if a proxy is in front of the second origin. */
  publicCdnUrl: string;
  readonly faults: Fault[];
  readonly requests: SeenRequest[];
  /** Number of tokens issued so far. */
  readonly tokens: number;
  /** Tokens sent to the second origin: must stay empty. */
  readonly leaks: readonly string[];
  /** Moves the tag to other layers. The old blobs stay. */
  push(layers: readonly ServedLayer[]): Promise<void>;
  /** Removes a layer's blob. */
  remove(file: string): void;
  close(): Promise<void>;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Starts a registry with `org/tiny:latest`. */
export async function startOci(options: OciServerOptions): Promise<OciServer> {
  const faults = options.faults ?? [];
  const requests: SeenRequest[] = [];
  const blobs = new Map<string, { readonly file: string; readonly bytes: Uint8Array<ArrayBuffer> }>();
  const leaks: string[] = [];
  let [manifest, digest] = ["", ""];
  let [tokens, left] = [0, 0];

  async function add(file: string, bytes: Uint8Array<ArrayBuffer>) {
    const hex = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    blobs.set(`sha256:${hex}`, { file, bytes });
    return { digest: `sha256:${hex}`, size: bytes.length };
  }

  async function push(layers: readonly ServedLayer[]): Promise<void> {
    manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      artifactType: options.artifactType,
      config: {
        mediaType: "application/vnd.oci.empty.v1+json",
        ...await add("", new Uint8Array([0x7b, 0x7d])),
      },
      layers: await Promise.all(layers.map(async ({ mediaType, bytes, annotations, file }) => ({
        mediaType,
        ...await add(file, bytes),
        ...(annotations === undefined ? {} : { annotations }),
      }))),
    });
    digest = (await add("", new TextEncoder().encode(manifest))).digest;
  }

  const fileOf = (url: URL) => blobs.get(url.pathname.split("/").at(-1) ?? "")?.file ?? null;
  const cdn = serveHttp({
    faults,
    requests,
    seed: 12,
    classify: (_, url) => ({ role: "cdn", file: fileOf(url) }),
    handle({ url, headers }) {
      const sent = headers.get("authorization");
      if (sent !== null) leaks.push(sent);
      const name = url.pathname.split("/").at(-1) ?? "";
      const blob = blobs.get(name);
      return Promise.resolve(
        blob === undefined
          ? { status: 404 }
          : { file: bytesContent(blob.bytes), etag: `"store-${name.slice(-8)}"` },
      );
    },
  });
  const main = serveHttp({
    faults,
    requests,
    seed: 1,
    classify: (_, url) => ({ role: url.pathname.includes("/blobs/") ? "resolve" : "api", file: fileOf(url) }),
    handle: (request) => Promise.resolve(answer(request)),
  });
  let publicCdnUrl = cdn.url;

  function answer({ url, headers }: HttpRequest): HttpReply {
    if (url.pathname === "/token") {
      left = options.usesOfToken ?? 0;
      return json(200, { token: `token-${++tokens}`, expires_in: 60 });
    }
    if (options.usesOfToken !== undefined) {
      const isGood = headers.get("authorization") === `Bearer token-${tokens}` && left-- > 0;
      if (!isGood) {
        const realm = `Bearer realm="${main.url}/token",service="registry",scope="repository:org/tiny:pull"`;
        return {
          ...json(401, { errors: [{ code: "UNAUTHORIZED" }] }),
          headers: { "www-authenticate": realm },
        };
      }
    }
    const [, kind, reference = ""] = /^\/v2\/org\/tiny\/(manifests|blobs)\/(.+)$/.exec(url.pathname) ?? [];
    if (kind === "manifests" && (reference === "latest" || reference === digest)) {
      return {
        status: 200,
        headers: { "content-type": MANIFEST, "docker-content-digest": digest },
        body: manifest,
      };
    }
    if (kind === "blobs" && blobs.has(reference)) {
      return { status: 307, headers: { location: `${publicCdnUrl}/store/${reference}?signature=x` } };
    }
    return json(404, { errors: [{ code: kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN" }] });
  }

  await push(options.layers);
  const close = async () => {
    await Promise.all([main.close(), cdn.close()]);
  };
  return {
    host: new URL(main.url).host,
    cdnUrl: cdn.url,
    get publicCdnUrl() {
      return publicCdnUrl;
    },
    set publicCdnUrl(url) {
      publicCdnUrl = url;
    },
    faults,
    requests,
    get tokens() {
      return tokens;
    },
    leaks,
    push,
    remove(file) {
      for (const [name, blob] of blobs) if (blob.file === file) blobs.delete(name);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function json(status: number, value: unknown): HttpReply {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

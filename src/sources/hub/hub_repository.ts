import { AimError } from "../../errors/aim_error.ts";
import type { CommitSha } from "../manifest.ts";
import { plainEtag } from "../range_body.ts";
import { TransientError } from "../source.ts";
import type { SourceOptions } from "../source_options.ts";
import { followRedirects, type FoundAnswer, redirectTarget } from "../transport/redirect.ts";
import type { RequestHeaders } from "../transport/http_connection.ts";
import { Transport, type TransportRequest, type Use } from "../transport/transport.ts";
import { hubError } from "./hub_error.ts";

/** Public mirrors leave this address in their responses. */
const PUBLIC_HUB = "https://huggingface.co";

export interface HubAnswer extends FoundAnswer {
  /** ETag and size of a large file, which a hub sends with its redirect. The ETag is the SHA-256. */
  readonly linkedEtag: string | null;
  readonly linkedSize: string | null;
}

/** A model on a hub or a mirror. The token is only sent to the hub's own origin. */
export class HubRepository {
  readonly id: string;
  /** `HF_ENDPOINT`, without a slash at the end. */
  readonly endpoint: string;
  readonly host: string;
  /** Read at the first request. */
  readonly #token: () => Promise<string | null>;
  readonly #origin: string;
  readonly #transport: Transport;

  constructor(id: string, options: SourceOptions) {
    this.id = id;
    this.endpoint = options.hfEndpoint.replace(/\/+$/, "");
    ({ host: this.host, origin: this.#origin } = new URL(this.endpoint));
    let token: Promise<string | null> | undefined;
    this.#token = () => token ??= options.hfToken();
    this.#transport = new Transport(options);
  }

  fileAddress(commit: CommitSha, path: string): URL {
    const file = path.split("/").map(encodeURIComponent).join("/");
    return new URL(`${this.endpoint}/${this.id}/resolve/${commit}/${file}`);
  }

  apiAddress(route: string): string {
    return `${this.endpoint}/api/models/${this.id}/${route}`;
  }

  /**
   * Sends a request and follows redirects.
   *
   * @param how `request` for metadata, `fetch` for one attempt at a file.
   * @throws {TransientError | AimError} if it redirects to a server that fails, naming both.
   */
  async send(how: Use, first: URL, init: TransportRequest): Promise<HubAnswer> {
    const token = await this.#token();
    let linkedEtag: string | null = null;
    let linkedSize: string | null = null;
    const send = async (url: URL, headers: RequestHeaders) => {
      // The library sends its own token to the xet store.
      const login = token !== null && this.#owns(url) ? { authorization: `Bearer ${token}` } : {};
      const request = { ...init, headers: { ...login, ...headers } };
      const response = await this.#transport[how](url, request).catch((error) => {
        throw this.#fromElsewhere(error, url);
      });
      linkedEtag ??= plainEtag(response.headers.get("x-linked-etag"));
      linkedSize ??= response.headers.get("x-linked-size");
      return response;
    };
    const targetOf = (response: Response, from: URL) => redirectOf(response, from, this.endpoint);
    const answer = await followRedirects(first, init.headers, send, targetOf);
    return { ...answer, linkedEtag, linkedSize };
  }

  /** A `fetch` for the hub's library, with one attempt for each request. */
  fetch(signal: AbortSignal): typeof fetch {
    return async (input, init) => {
      const { url, method, headers } = new Request(input, { ...init, signal: null });
      const body = init?.body ?? null;
      const request = { method, headers: Object.fromEntries(headers), body, signal };
      return (await this.send("fetch", new URL(url), request)).response;
    };
  }

  /** The error for a refusal. @param path The file to read; `null` for metadata. */
  async refused({ response, url }: FoundAnswer, revision: string, path: string | null): Promise<Error> {
    const owned = this.#owns(url);
    const endpoint = owned ? this.endpoint : url.origin;
    const token = owned && await this.#token() !== null;
    const error = await hubError(response, { endpoint, id: this.id, revision, path, token, owned });
    if (!(error instanceof AimError) || error.kind === "network") return this.#fromElsewhere(error, url);
    if (owned) return error;
    // A mirror redirected to another hub.
    const message = `${this.host} redirects to ${url.host}, where no token is sent: ${error.message}`;
    return new AimError(error.kind, message, {
      hint: `set HF_ENDPOINT=${url.origin} to use it directly`,
      cause: error,
    });
  }

  #owns(url: URL): boolean {
    return url.origin === this.#origin;
  }

  close(): void {
    this.#transport.close();
  }

  /** The user never typed the address of a redirect, so a failure there names the hub too. */
  #fromElsewhere<E>(error: E, url: URL): E | Error {
    if (this.#owns(url) || !(error instanceof Error)) return error;
    const message = `${this.host} redirects to ${url.host}: ${error.message}`;
    if (error instanceof TransientError) {
      return new TransientError(message, { retryAfter: error.retryAfter, cause: error });
    }
    if (!(error instanceof AimError) || error.kind !== "network") return error;
    return new AimError("network", message, {
      hint: `allow connections to ${url.host}, or set HF_ENDPOINT to a mirror that stores the model itself`,
      cause: error,
    });
  }
}

/** The target of a redirect by a hub at this endpoint; `null` for any other response. */
export function redirectOf(
  response: Pick<Response, "status" | "headers">,
  from: URL,
  endpoint: string,
): URL | null {
  const target = redirectTarget(response, from);
  if (target === null) return null;
  const mapped = atHub(target, endpoint);
  // A mirror may redirect to the public hub for what it lacks: mapping that back would be a loop.
  return mapped.href === from.href ? target : mapped;
}

/** How paths of the hub's routes begin, after the endpoint's own path. */
const HUB_ROUTE = /^\/(?:api|[^/]+\/[^/]+\/resolve)\//;

/** Maps addresses of the public hub to the mirror, and restores the endpoint's own path if it is missing. */
function atHub(url: URL, endpoint: string): URL {
  const { origin, pathname } = new URL(endpoint);
  const isPublic = url.origin === PUBLIC_HUB && origin !== PUBLIC_HUB;
  const isLost = pathname !== "/" && url.origin === origin && !url.pathname.startsWith(`${pathname}/`) &&
    HUB_ROUTE.test(url.pathname);
  return isPublic || isLost ? new URL(endpoint + url.pathname + url.search) : url;
}

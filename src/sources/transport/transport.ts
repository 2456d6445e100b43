import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { TransientError } from "../source.ts";
import type { Answer } from "./answer.ts";
import { caCertificates } from "./ca_certificates.ts";
import { type DirectGet, directHttp } from "./direct_http.ts";
import { networkFault, proxyRefuses } from "./network_fault.ts";
import { parseRetryAfter } from "./retry_after.ts";

/** How sources speak HTTP. Redirects are never followed here: each source decides what may travel along. */
export interface Transport {
  /**
   * One attempt. Any status is an answer.
   *
   * @throws {TransientError} the connection failed.
   * @throws {AimError} `network` where another attempt cannot help; the signal's reason when aborted.
   */
  fetch(url: string | URL, init: TransportRequest): Promise<Response>;
  /** As {@linkcode fetch}, for files: by the shorter way where the server suits it. */
  get(url: URL, init: TransportGet): Promise<Answer>;
  /** As {@linkcode get}, for small files of one server: together, as far as that goes. What is not answered is for {@linkcode get}. */
  getAll(requests: readonly DirectGet[], signal: AbortSignal | undefined): AsyncIterable<Answer>;
  /**
   * For small questions (metadata): as {@linkcode fetch}, body included and with a time limit, tried again after broken
   * connections and 408, 425, 429 and 5xx. The last answer is returned whatever its status.
   *
   * @throws {AimError} `network` when every attempt failed to connect.
   */
  request(url: string | URL, init: TransportRequest): Promise<Response>;
  close(): void;
}

export interface TransportRequest {
  readonly method?: string;
  readonly headers?: Headers | Readonly<Record<string, string>>;
  readonly body?: BodyInit | null;
  readonly signal?: AbortSignal | undefined;
}

/** A request for a file, or a part of one. */
export interface TransportGet extends Pick<TransportRequest, "signal">, Pick<DirectGet, "headers"> {
  /** Bytes that are expected. */
  readonly bytes: number;
}

/** What a transport is made of. */
export interface TransportOptions {
  /** Proxies and certificate authorities. Deno itself reads `HTTPS_PROXY` and its like from the process's environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Idle connections kept to one host. */
  readonly connections: number;
  /** @default {a timer} */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: (() => number) | undefined;
}

/** Attempts when the server answers with a passing error, and when it cannot be reached at all. */
const ANSWERED_ATTEMPTS = 8;
const UNREACHED_ATTEMPTS = 4;
/** Milliseconds. */
const FIRST_DELAY = 250;
const LONGEST_DELAY = 8_000;
const LONGEST_RETRY_AFTER = 300_000;
const ATTEMPT_TIMEOUT = 60_000;

/** Statuses that another attempt may cure. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status === 500 || status > 501 && status < 600;
}

/** Opens a transport: HTTP/1.1 alone, so that every part of a file has a connection of its own. */
export function openTransport(options: TransportOptions): Transport {
  const { env } = options;
  const sleep = options.sleep ?? sleepFor;
  const random = options.random ?? Math.random;
  const caCerts = caCertificates(env);
  const client = Deno.createHttpClient({
    http2: false,
    caCerts,
    poolMaxIdlePerHost: options.connections,
  });
  const direct = directHttp({ env, caCerts, connections: options.connections });

  async function get(url: URL, { headers, signal, bytes }: TransportGet): Promise<Answer> {
    return await direct.get(url, { headers, signal, bytes }) ?? await fetchOnce(url, { headers, signal });
  }

  async function fetchOnce(target: string | URL, init: TransportRequest): Promise<Response> {
    const url = new URL(target);
    let response: Response;
    try {
      response = await fetch(url, {
        method: init.method ?? "GET",
        headers: new Headers(init.headers),
        body: init.body ?? null,
        redirect: "manual",
        client,
        ...(init.signal === undefined ? {} : { signal: init.signal }),
      });
    } catch (error) {
      if (init.signal?.aborted) throw init.signal.reason;
      throw networkFault(error, url, env);
    }
    if (response.status !== 407) return response;
    await discard(response);
    throw proxyRefuses(url, env);
  }

  async function request(target: string | URL, init: TransportRequest): Promise<Response> {
    const url = new URL(target);
    for (let attempt = 1;; attempt++) {
      const outcome = await tryOnce(url, init);
      const limit = outcome instanceof Response ? ANSWERED_ATTEMPTS : UNREACHED_ATTEMPTS;
      const last = attempt >= limit;
      if (outcome instanceof Response && (last || !isTransientStatus(outcome.status))) return outcome;
      if (outcome instanceof TransientError && last) {
        throw new AimError("network", outcome.message, {
          hint: "check the address, the network and the proxy settings, then run again",
          cause: outcome,
        });
      }
      const asked = outcome instanceof Response
        ? parseRetryAfter(outcome.headers.get("retry-after"), Date.now())
        : null;
      const delay = Math.max(asked ?? 0, backoff(attempt, random()));
      if (asked !== null && asked > LONGEST_RETRY_AFTER && outcome instanceof Response) return outcome;
      const reason = outcome instanceof Response ? `status ${outcome.status}` : outcome.message;
      log.debug("trying again", { host: url.host, attempt, delay: Math.round(delay), reason });
      await sleep(delay, init.signal);
    }
  }

  async function tryOnce(url: URL, init: TransportRequest): Promise<Response | TransientError> {
    const limit = AbortSignal.timeout(ATTEMPT_TIMEOUT);
    const signal = init.signal === undefined ? limit : AbortSignal.any([init.signal, limit]);
    try {
      const response = await fetchOnce(url, { ...init, signal });
      return await whole(response, url, env);
    } catch (error) {
      if (error instanceof TransientError) return error;
      if (limit.aborted && !init.signal?.aborted) {
        return new TransientError(`${url.host} did not answer for ${ATTEMPT_TIMEOUT / 1000} s`);
      }
      throw error;
    }
  }

  return {
    fetch: fetchOnce,
    get,
    getAll: direct.getAll,
    request,
    close() {
      direct.close();
      client.close();
    },
  };
}

/** The same answer with its body in memory: an answer that breaks off is no answer. */
async function whole(response: Response, url: URL, env: TransportOptions["env"]): Promise<Response> {
  try {
    const { status, statusText, headers } = response;
    const body = await response.arrayBuffer();
    return new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers });
  } catch (error) {
    throw error instanceof DOMException ? error : networkFault(error, url, env);
  }
}

/** Reads a small body that nobody wants, so that its connection can serve again; gives up on a large one. */
export async function discard(response: Answer): Promise<void> {
  try {
    if (Number(response.headers.get("content-length") ?? "65537") > 65536) await response.body?.cancel();
    else await response.arrayBuffer();
  } catch { /* the connection is gone, which is as good */ }
}

function backoff(attempt: number, chance: number): number {
  return Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempt - 1)) * (0.5 + chance / 2);
}

function sleepFor(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

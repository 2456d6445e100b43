import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { TransientError } from "../source.ts";
import { askedWait, LONGEST_WAIT } from "./asked_wait.ts";
import { caCertificates } from "./ca_certificates.ts";
import { DirectClient } from "./direct_client.ts";
import { httpClients } from "./http_clients.ts";
import { networkFault, proxyRefuses } from "./network_fault.ts";
import { proxyFor } from "./proxies.ts";
import { LARGEST_ANSWER, readBounded } from "./read_bounded.ts";
import { type Pass, RequestGate } from "./request_gate.ts";
import { sleepFor } from "./sleep_for.ts";

/** How sources speak HTTP. Redirects are never followed here: each source decides what may travel along. */
export interface Transport {
  /**
   * One attempt at a file or a part of one. Any status is an answer; its body is the runtime's own stream.
   *
   * @throws {TransientError} the connection failed, or the server must not be asked for a while.
   * @throws {AimError} `network` if another attempt cannot help; the signal's reason when aborted.
   */
  fetch(url: string | URL, init: TransportRequest): Promise<Response>;
  /**
   * For small questions (metadata): as {@linkcode fetch}, body included and with a time limit, tried again
   * after broken connections and 408, 425, 429 and 5xx. The last answer is returned whatever its status.
   *
   * @throws {AimError} `network` when every attempt failed to connect, or the body is too long.
   */
  request(url: string | URL, init: TransportQuestion): Promise<Response>;
  close(): void;
}

export interface TransportRequest {
  readonly method?: string;
  readonly headers?: Headers | Readonly<Record<string, string>>;
  readonly body?: BodyInit | null;
  readonly signal?: AbortSignal | undefined;
}

export interface TransportQuestion extends TransportRequest {
  /** Bytes of the answer, decoded, at most. @default {LARGEST_ANSWER} */
  readonly limit?: number;
}

/** What a transport is made of. */
export interface TransportOptions {
  /** Proxies and certificate authorities. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Idle connections kept to one host. */
  readonly connections: number;
  /** Whether a server must prove by its certificate who it is. @default {true} */
  readonly verifyTls?: boolean;
  /** Attempts at a question, at most. @default {8 where the server answers, 4 where it cannot be reached} */
  readonly attempts?: number | undefined;
  /** @default {a timer} */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  /** Milliseconds, monotonic. @default {performance.now} */
  readonly now?: (() => number) | undefined;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: (() => number) | undefined;
}

/** Attempts when the server answers with a passing error, and when it cannot be reached at all. */
const ANSWERED_ATTEMPTS = 8;
const UNREACHED_ATTEMPTS = 4;
/** Milliseconds. */
const ATTEMPT_TIMEOUT = 60_000;

/** Statuses that another attempt may cure. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status === 500 || status > 501 && status < 600;
}

/** Opens a transport: HTTP/1.1 alone, so that every part of a file has a connection of its own. */
export function openTransport(options: TransportOptions): Transport {
  const { env } = options;
  const pace = {
    sleep: options.sleep ?? sleepFor,
    now: options.now ?? (() => performance.now()),
    random: options.random ?? Math.random,
  };
  const { connections, verifyTls = true } = options;
  const caCerts = caCertificates(env);
  const clients = httpClients({ env, caCerts, connections, verifyTls });
  const direct = verifyTls ? new DirectClient(caCerts, connections) : null;
  const gates = new Map<string, RequestGate>();

  /** Files and questions have limits of their own at most servers. */
  function gateOf(url: URL, use: "file" | "question"): RequestGate {
    const key = `${use} ${url.origin}`;
    const gate = gates.get(key) ?? new RequestGate(url.host, pace);
    gates.set(key, gate);
    return gate;
  }

  async function once(
    url: URL,
    init: TransportRequest,
    pass: Pass,
    send: typeof clients.fetch,
  ): Promise<Response> {
    const started = performance.now();
    const method = init.method ?? "GET";
    let response: Response;
    try {
      response = await send(url, {
        method,
        headers: init.headers ?? {},
        body: init.body ?? null,
        redirect: "manual",
        ...(init.signal === undefined ? {} : { signal: init.signal }),
      });
    } catch (error) {
      if (init.signal?.aborted) {
        pass.dropped();
        throw init.signal.reason;
      }
      const fault = error instanceof AimError ? error : networkFault(error, url, env);
      logRequest(method, url, fault.message, started);
      pass.refused(fault.message, null);
      throw fault;
    }
    const { status } = response;
    logRequest(method, url, status, started);
    // A missing or changed file says nothing about the server's health.
    const refused = status >= 400 && ![404, 405, 412, 416].includes(status);
    if (refused) pass.refused(`status ${status}`, askedWait(response.headers));
    else pass.answered();
    if (status !== 407) return response;
    await discard(response);
    throw proxyRefuses(url, env);
  }

  /** The runtime's client is for what the direct one does not know. */
  async function sendFile(url: URL, init: RequestInit): Promise<Response> {
    const { method, headers, signal, body } = init;
    if (direct === null || body != null || (method !== "GET" && method !== "HEAD")) {
      return await clients.fetch(url, init);
    }
    const request = {
      method,
      headers: headers instanceof Headers ? headers : new Headers(headers),
      signal: signal ?? undefined,
      proxy: proxyFor(url, env),
    } as const;
    return await direct.send(url, request) ?? await clients.fetch(url, init);
  }

  async function request(target: string | URL, init: TransportQuestion): Promise<Response> {
    const url = new URL(target);
    const gate = gateOf(url, "question");
    for (let attempt = 1;; attempt++) {
      const pass = await gate.enter(init.signal, true);
      const outcome = await answerOnce(url, init, pass);
      const limit = options.attempts ??
        (outcome instanceof Response ? ANSWERED_ATTEMPTS : UNREACHED_ATTEMPTS);
      const last = attempt >= limit;
      if (outcome instanceof Response) {
        if (last || !isTransientStatus(outcome.status)) return outcome;
        const asked = askedWait(outcome.headers);
        if (asked !== null && asked > LONGEST_WAIT) return outcome;
        if (asked !== null && asked > NOTEWORTHY) {
          log.info(`${url.host} asks to wait ${Math.ceil(asked / 1000)} s before the next request`);
        }
      } else if (last) {
        throw new AimError("network", outcome.message, {
          hint: "check the address, the network and the proxy settings, then run again",
          cause: outcome,
        });
      }
    }
  }

  async function answerOnce(
    url: URL,
    init: TransportQuestion,
    pass: Pass,
  ): Promise<Response | TransientError> {
    const limit = AbortSignal.timeout(ATTEMPT_TIMEOUT);
    const signal = init.signal === undefined ? limit : AbortSignal.any([init.signal, limit]);
    try {
      const response = await once(url, { ...init, signal }, pass, clients.fetch);
      return await withBody(response, url, env, init.limit);
    } catch (error) {
      if (error instanceof TransientError) return error;
      if (limit.aborted && !init.signal?.aborted) {
        return new TransientError(`${url.host} did not answer for ${ATTEMPT_TIMEOUT / 1000} s`);
      }
      throw error;
    }
  }

  return {
    async fetch(target, init) {
      const url = new URL(target);
      const pass = await gateOf(url, "file").enter(init.signal, false);
      return await once(url, init, pass, sendFile);
    },
    request,
    close() {
      direct?.close();
      clients.close();
    },
  };
}

/** Milliseconds. */
const NOTEWORTHY = 5_000;

/** The query, which may be signed, is left out. */
function logRequest(method: string, url: URL, outcome: number | string, started: number): void {
  const result = typeof outcome === "number" ? { status: outcome } : { failed: outcome };
  const ms = Math.round(performance.now() - started);
  log.debug("request", { ...result, ms, method, url: url.origin + url.pathname });
}

/** The same answer with its body in memory: an answer that breaks off does not count. */
async function withBody(
  response: Response,
  url: URL,
  env: TransportOptions["env"],
  limit: number = LARGEST_ANSWER,
): Promise<Response> {
  try {
    const { status, statusText, headers } = response;
    const body = await readBounded(response, url.host, limit);
    return new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers });
  } catch (error) {
    throw error instanceof DOMException || error instanceof AimError ? error : networkFault(error, url, env);
  }
}

/** Reads a small body that nobody needs, so that its connection can be used again; cancels a large one. */
export async function discard(response: Response): Promise<void> {
  try {
    if (Number(response.headers.get("content-length") ?? "65537") > 65536) await response.body?.cancel();
    else await readBounded(response, "the server", 65536);
  } catch { /* the connection is gone, which is as good */ }
}

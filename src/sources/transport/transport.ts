import { delay } from "@std/async/delay";
import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { TransientError } from "../source.ts";
import { askedWait, LONGEST_WAIT } from "./asked_wait.ts";
import { caCertificates } from "./ca_certificates.ts";
import { DirectClient } from "./direct_client.ts";
import { HttpClients } from "./http_clients.ts";
import type { RequestHeaders } from "./http_connection.ts";
import { networkFault, proxyRefuses } from "./network_fault.ts";
import { isTransientStatus } from "./passing_fault.ts";
import { proxyFor } from "./proxies.ts";
import { discard, readBounded } from "./read_bounded.ts";
import { RequestGate, type Sleep } from "./request_gate.ts";

/** The two ways to send a request, named as the methods of {@linkcode Transport}. */
export type Use = "fetch" | "request";

export interface TransportRequest {
  readonly method?: string;
  readonly headers?: RequestHeaders;
  readonly body?: BodyInit | null;
  readonly signal?: AbortSignal | undefined;
}

export interface TransportOptions {
  /** Proxies and certificate authorities. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Maximum idle connections per host. */
  readonly connections: number;
  /** Whether to verify servers' certificates. @default {true} */
  readonly verifyTls?: boolean;
  /** Maximum attempts at a metadata request. @default {8 if the server responds, 4 if it is unreachable} */
  readonly attempts?: number | undefined;
  /** @default {a timer} */
  readonly sleep?: Sleep | undefined;
}

/** Maximum attempts if the server responds with a transient error, and if it is unreachable. */
const ANSWERED_ATTEMPTS = 8;
const UNREACHED_ATTEMPTS = 4;
/** Milliseconds. */
const ATTEMPT_TIMEOUT = 60_000;
/** Milliseconds. A longer wait between attempts is logged. */
const NOTEWORTHY = 5_000;

/**
 * The HTTP client of the sources. It uses only HTTP/1.1, so that every part of a file has its own connection.
 * Redirects are left to the sources, which decide which headers to send along.
 */
export class Transport {
  readonly #options: TransportOptions;
  readonly #clients: HttpClients;
  readonly #direct: DirectClient | null;
  readonly #gates = new Map<string, RequestGate>();

  constructor(options: TransportOptions) {
    const { env, connections, verifyTls = true } = options;
    const caCerts = caCertificates(env);
    this.#options = options;
    this.#clients = new HttpClients({ env, caCerts, connections, verifyTls });
    this.#direct = verifyTls ? new DirectClient(caCerts, connections) : null;
  }

  /**
   * One attempt at a file or a part of one. Returns a response with any status.
   *
   * @throws {TransientError} the connection failed, or no request may be sent for a while.
   * @throws {AimError} `network` if a retry cannot help; the signal's reason when aborted.
   */
  async fetch(target: string | URL, init: TransportRequest): Promise<Response> {
    const url = new URL(target);
    const pass = await this.#gate("fetch", url).enter(init.signal, false);
    return await this.#once("fetch", url, init, pass);
  }

  /**
   * For metadata: like {@linkcode fetch}, but reads the body too, has a time limit, and retries after broken
   * connections and 408, 425, 429 and 5xx. The last response is returned whatever its status.
   *
   * @throws {AimError} `network` when every attempt failed to connect, or the body is too long.
   */
  async request(target: string | URL, init: TransportRequest): Promise<Response> {
    const url = new URL(target);
    for (let attempt = 1;; attempt++) {
      const pass = await this.#gate("request", url).enter(init.signal, true);
      const outcome = await this.#answer(url, init, pass);
      const isAnswer = outcome instanceof Response;
      const isLast =
        attempt >= (this.#options.attempts ?? (isAnswer ? ANSWERED_ATTEMPTS : UNREACHED_ATTEMPTS));
      if (isAnswer) {
        const asked = askedWait(outcome.headers) ?? 0;
        if (isLast || !isTransientStatus(outcome.status) || asked > LONGEST_WAIT) return outcome;
        if (asked > NOTEWORTHY) {
          log.info(`${url.host} asks to wait ${Math.ceil(asked / 1000)} s before the next request`);
        }
      } else if (isLast) {
        throw new AimError("network", outcome.message, {
          hint: "check the address, the network and the proxy settings, then retry",
          cause: outcome,
        });
      }
    }
  }

  close(): void {
    this.#direct?.close();
    this.#clients.close();
  }

  /** Most servers limit requests for files and for metadata separately. */
  #gate(use: Use, url: URL): RequestGate {
    const { sleep = (ms, signal) => delay(ms, { signal }) } = this.#options;
    return this.#gates.getOrInsertComputed(`${use} ${url.origin}`, () => new RequestGate(url.host, sleep));
  }

  /** A response with its body in memory, or the error: a body that breaks off is one. */
  async #answer(url: URL, init: TransportRequest, pass: number): Promise<Response | TransientError> {
    const limit = AbortSignal.timeout(ATTEMPT_TIMEOUT);
    const signal = init.signal === undefined ? limit : AbortSignal.any([init.signal, limit]);
    try {
      const response = await this.#once("request", url, { ...init, signal }, pass);
      const { status, statusText, headers } = response;
      const body = await readBounded(response, url.host);
      return new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers });
    } catch (error) {
      init.signal?.throwIfAborted();
      const fault = limit.aborted
        ? new TransientError(`${url.host} did not respond within ${ATTEMPT_TIMEOUT / 1000} s`)
        : networkFault(error, url, this.#options.env);
      if (fault instanceof TransientError) return fault;
      throw fault;
    }
  }

  async #once(use: Use, url: URL, init: TransportRequest, pass: number): Promise<Response> {
    const { env } = this.#options;
    const { method = "GET", headers = {}, body = null, signal = null } = init;
    const gate = this.#gate(use, url);
    const started = performance.now();
    let response: Response;
    try {
      const request = { method, headers, body, redirect: "manual", signal } as const;
      // The runtime's clients handle what the direct one does not support.
      const sent = use === "fetch" ? await this.#direct?.send(url, request, proxyFor(url, env)) : null;
      response = sent ?? await this.#clients.fetch(url, request);
    } catch (error) {
      if (signal?.aborted) {
        gate.ended();
        throw signal.reason;
      }
      const fault = networkFault(error, url, env);
      logRequest(method, url, { failed: fault.message }, started);
      gate.refused(pass, fault.message, null);
      throw fault;
    }
    const { status } = response;
    logRequest(method, url, { status }, started);
    // A missing or changed file says nothing about the server's health.
    const isRefusal = status >= 400 && ![404, 405, 412, 416].includes(status);
    if (isRefusal) gate.refused(pass, `status ${status}`, askedWait(response.headers));
    else gate.answered();
    if (status !== 407) return response;
    await discard(response);
    throw proxyRefuses(url, env);
  }
}

/** Without the query, which may be signed. */
function logRequest(
  method: string,
  url: URL,
  outcome: Readonly<Record<string, unknown>>,
  started: number,
): void {
  const ms = Math.round(performance.now() - started);
  log.debug("request", { ...outcome, ms, method, url: url.origin + url.pathname });
}

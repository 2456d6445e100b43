import { abortable } from "@std/async/abortable";
import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";
import { LONGEST_WAIT } from "./asked_wait.ts";
import { backoff } from "./backoff.ts";

/** Maximum requests in progress to a server that has not answered any yet. */
const FIRST_REQUESTS = 4;
/** Maximum milliseconds before the request that follows the first refusal. */
const FIRST_WAIT = 250;
/** Refusals in a row after which no more requests are sent. */
const MOST_REFUSALS = 9;
/**
 * Milliseconds. A longer wait is left to the transfer's retry, since it would look like a stalled request
 * here.
 */
const LONGEST_HERE = 20_000;

/** A timer, which rejects with the signal's reason when aborted. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/**
 * Keeps parallel connections from flooding a server that refuses them: few requests until the first is
 * answered; after a refusal one at a time, each after a longer wait, and finally none. Refusals of requests
 * that were in progress at the same time count as one.
 */
export class RequestGate {
  readonly #host: string;
  readonly #sleep: Sleep;
  #proven = false;
  #refusals = 0;
  #reason = "";
  /** When the next request may go, by the monotonic clock. */
  #closedUntil = 0;
  #underWay = 0;
  /** Resolves when a request has ended. */
  #next = Promise.withResolvers<void>();

  constructor(host: string, sleep: Sleep) {
    this.#host = host;
    this.#sleep = sleep;
  }

  /**
   * Waits for a request's turn. One of the methods below must be called when its response begins or it fails.
   *
   * @param patient Whether to wait here however long it takes; else a long wait throws a {@linkcode
   *   TransientError} with its length.
   * @returns A pass, for {@linkcode refused}.
   * @throws {AimError} `network` after too many refusals in a row; the signal's reason when aborted.
   */
  async enter(signal: AbortSignal | undefined, patient: boolean): Promise<number> {
    for (let waitedFor = 0;;) {
      signal?.throwIfAborted();
      if (this.#refusals >= MOST_REFUSALS) throw this.#exhausted();
      const wait = this.#closedUntil - performance.now();
      if (this.#closedUntil !== waitedFor && wait > 0) {
        if (wait > LONGEST_HERE && !patient) {
          throw new TransientError(`${this.#host} asks to wait (${this.#reason})`, { retryAfter: wait });
        }
        waitedFor = this.#closedUntil;
        await this.#sleep(wait, signal);
      } else if (this.#underWay < this.#limit) {
        this.#underWay++;
        return this.#refusals;
      } else {
        const { promise } = this.#next;
        await (signal === undefined ? promise : abortable(promise, signal));
      }
    }
  }

  answered(): void {
    this.#proven = true;
    this.#refusals = 0;
    this.#closedUntil = 0;
    this.ended();
  }

  /** @param asked Milliseconds that the server asks to wait. */
  refused(pass: number, reason: string, asked: number | null): void {
    this.#reason = reason;
    const isNew = this.#refusals === pass;
    if (isNew) this.#refusals++;
    const isSerious = isNew && this.#refusals > this.#tolerated;
    const own = isSerious ? backoff(this.#refusals, Math.random(), FIRST_WAIT, null) : 0;
    const wait = Math.max(own, Math.min(asked ?? 0, LONGEST_WAIT));
    if (wait > 0) this.#closedUntil = Math.max(this.#closedUntil, performance.now() + wait);
    this.ended();
  }

  /** For a request that was aborted: neither answered nor refused. */
  ended(): void {
    this.#underWay--;
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** A single refusal by a server that has answered before is not acted on. */
  get #tolerated(): number {
    return this.#proven ? 1 : 0;
  }

  get #limit(): number {
    if (this.#refusals > this.#tolerated) return 1;
    return this.#proven ? Infinity : FIRST_REQUESTS;
  }

  #exhausted(): AimError {
    return new AimError(
      "network",
      `${this.#host} refused ${this.#refusals} requests in a row (${this.#reason})`,
      { hint: "retry once the server or the network recovers; finished parts are kept" },
    );
  }
}

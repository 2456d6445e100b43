import { abortable } from "@std/async/abortable";
import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";
import { LONGEST_WAIT } from "./asked_wait.ts";
import { backoff } from "./backoff.ts";

/** Requests under way to a server that has not answered any yet. */
const FIRST_REQUESTS = 4;
/** Milliseconds before the request that follows the first refusal, at most. */
const FIRST_WAIT = 250;
/** Refusals in a row after which no more requests are sent. */
const MOST_REFUSALS = 9;
/**
 * Milliseconds. A connection that has to wait longer waits as the transfer does after a failure, not as a
 * request that hangs.
 */
const LONGEST_HERE = 20_000;

/** A timer, which rejects with the signal's reason when aborted. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/**
 * Keeps all connections together from storming a server that refuses them: few requests until the first is
 * answered; after a refusal one at a time, each after a longer wait, and in the end none. Requests that were
 * under way together count as one refusal.
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
   * Waits for a request's turn. One of the methods below must follow when its answer begins or it fails.
   *
   * @param patient Whether to wait here however long it takes; else a long wait is a {@linkcode
   *   TransientError} that names it.
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

  /** Neither answered nor refused: it was aborted. */
  ended(): void {
    this.#underWay--;
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** One refusal among answers says little about the server. */
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
      { hint: "run the command again when the server or the network has recovered; finished parts are kept" },
    );
  }
}

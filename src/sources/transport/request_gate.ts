import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";
import { LONGEST_WAIT } from "./asked_wait.ts";
import { backoff } from "./backoff.ts";

/** Requests under way to a server that has not answered any yet. */
const FIRST_REQUESTS = 4;
/** Refusals in a row after which no more requests are sent. */
const MOST_REFUSALS = 9;
/**
 * Milliseconds. A connection that has to wait longer waits as the transfer does after a failure, not as a
 * request that hangs.
 */
const LONGEST_HERE = 20_000;

/** The clock and the timer; tests give their own. */
export interface Pace {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** A request that may be sent; one of the three is called when its answer begins, or it has failed. */
export interface Pass {
  answered(): void;
  /** @param asked Milliseconds that the server asks to wait. */
  refused(reason: string, asked: number | null): void;
  /** Neither answered nor refused: it was aborted. */
  dropped(): void;
}

/**
 * Keeps all connections together from storming a server that refuses them: few requests until the first is
 * answered; after a refusal one at a time, each after a longer wait, and in the end none. Requests that were
 * under way together count as one refusal.
 */
export class RequestGate {
  readonly #host: string;
  readonly #pace: Pace;
  #proven = false;
  #refusals = 0;
  #reason = "";
  /** When the next request may go, by the monotonic clock. */
  #closedUntil = 0;
  #underWay = 0;
  readonly #waiting = new Set<() => void>();

  constructor(host: string, pace: Pace) {
    this.#host = host;
    this.#pace = pace;
  }

  /**
   * Waits for a request's turn.
   *
   * @param patient Whether to wait here however long it takes; else a long wait is a {@linkcode
   * TransientError} that names it.
   * @throws {AimError} `network` after too many refusals in a row; the signal's reason when aborted.
   */
  async enter(signal: AbortSignal | undefined, patient: boolean): Promise<Pass> {
    for (let waitedFor = 0;;) {
      signal?.throwIfAborted();
      if (this.#refusals >= MOST_REFUSALS) throw this.#exhausted();
      const wait = this.#closedUntil - this.#pace.now();
      if (this.#closedUntil !== waitedFor && wait > 0) {
        if (wait > LONGEST_HERE && !patient) {
          throw new TransientError(`${this.#host} asks to wait (${this.#reason})`, { retryAfter: wait });
        }
        waitedFor = this.#closedUntil;
        await this.#pace.sleep(wait, signal);
      } else if (this.#underWay >= this.#limit) await this.#turn(signal);
      else return this.#pass();
    }
  }

  get #limit(): number {
    // One refusal among answers says little about the server.
    if (this.#refusals > (this.#proven ? 1 : 0)) return 1;
    return this.#proven ? Infinity : FIRST_REQUESTS;
  }

  #exhausted(): AimError {
    return new AimError(
      "network",
      `${this.#host} refused ${this.#refusals} requests in a row (${this.#reason})`,
      { hint: "run the command again when the server or the network has recovered; finished parts are kept" },
    );
  }

  #pass(): Pass {
    this.#underWay++;
    const refusals = this.#refusals;
    const left = () => {
      this.#underWay--;
      for (const go of this.#waiting) go();
    };
    return {
      answered: () => {
        this.#proven = true;
        this.#refusals = 0;
        this.#closedUntil = 0;
        left();
      },
      refused: (reason, asked) => {
        this.#reason = reason;
        const isNew = this.#refusals === refusals;
        if (isNew) this.#refusals++;
        const own = isNew && this.#refusals > (this.#proven ? 1 : 0)
          ? backoff(this.#refusals, this.#pace.random())
          : 0;
        const wait = Math.max(own, Math.min(asked ?? 0, LONGEST_WAIT));
        if (wait > 0) this.#closedUntil = Math.max(this.#closedUntil, this.#pace.now() + wait);
        left();
      },
      dropped: left,
    };
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        this.#waiting.delete(go);
        signal?.removeEventListener("abort", go);
        resolve();
      };
      this.#waiting.add(go);
      signal?.addEventListener("abort", go, { once: true });
    });
  }
}

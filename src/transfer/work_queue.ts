/** Work for several takers. A unit may be put back (a file that must be fetched again). */
export class WorkQueue<T> {
  readonly #units: Iterator<T>;
  readonly #again: T[] = [];
  #waiting: ((unit: T | null) => void)[] = [];
  #closed = false;

  constructor(units: Iterable<T>) {
    this.#units = units[Symbol.iterator]();
  }

  /** The next unit; waits if there is none now; `null` once the queue is closed. */
  take(): Promise<T | null> {
    if (this.#closed) return Promise.resolve(null);
    const again = this.#again.shift();
    if (again !== undefined) return Promise.resolve(again);
    const { done, value } = this.#units.next();
    if (!done) return Promise.resolve(value);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** How many wait for work. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Puts units before all others. */
  putBack(units: readonly T[]): void {
    this.#again.push(...units);
    while (this.#waiting.length > 0 && this.#again.length > 0) {
      this.#waiting.shift()?.(this.#again.shift() ?? null);
    }
  }

  /** No more work: everyone who takes gets `null`. */
  close(): void {
    this.#closed = true;
    for (const resolve of this.#waiting) resolve(null);
    this.#waiting = [];
  }
}

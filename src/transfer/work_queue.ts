/** What one connection does next. */
export type Task = () => Promise<void>;

/** Work for several connections, which wait while there is none. */
export class WorkQueue {
  #planned: Iterator<Task> = [].values();
  readonly #again: Task[] = [];
  #waiting: ((task: Task | null) => void)[] = [];
  #closed = false;

  /** Sets the planned work. The iterable is read only as tasks are needed. */
  plan(tasks: Iterable<Task>): void {
    this.#planned = tasks[Symbol.iterator]();
  }

  /** The next task; waits if there is none now; `null` once the queue is closed. */
  take(): Promise<Task | null> {
    if (this.#closed) return Promise.resolve(null);
    const again = this.#again.shift();
    if (again !== undefined) return Promise.resolve(again);
    const { done, value } = this.#planned.next();
    if (!done) return Promise.resolve(value);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Puts tasks before those that are planned: a file must be fetched again, or a part was divided. */
  putBack(tasks: readonly Task[]): void {
    this.#again.push(...tasks);
    while (this.#waiting.length > 0 && this.#again.length > 0) {
      this.#waiting.shift()?.(this.#again.shift() ?? null);
    }
  }

  /** Ends the work: every `take` resolves to `null`. */
  close(): void {
    this.#closed = true;
    for (const resolve of this.#waiting) resolve(null);
    this.#waiting = [];
  }
}

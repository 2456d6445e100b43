/**
 * The part of a terminal that a progress display uses: text, line feed, carriage return, cursor up and erase
 * below. Long lines are wrapped, and wrapped again on a resize, as tmux and most terminals do.
 */
export class Screen {
  /** Lines as written; each takes at least one row. */
  #lines: string[] = [""];
  /** The cursor's line; the cursor is always at the start or the end of a line. */
  #line = 0;
  #atStart = true;
  width: number;

  constructor(width: number) {
    this.width = width;
  }

  write(text: string): void {
    // deno-lint-ignore no-control-regex
    for (const token of text.match(/\x1b\[\d*[A-Z]|\n|\r|[^\x1b\n\r]+/g) ?? []) {
      if (token === "\n") {
        this.#line++;
        this.#atStart = true;
        this.#lines[this.#line] ??= "";
      } else if (token === "\r") this.#atStart = true;
      else if (token === "\x1b[J") this.#lines.length = this.#line + 1, this.#lines[this.#line] = "";
      else if (token.startsWith("\x1b[") && token.endsWith("A")) this.#up(Number(token.slice(2, -1)));
      else if (token.startsWith("\x1b")) throw new Error(`unknown sequence ${JSON.stringify(token)}`);
      else {
        this.#lines[this.#line] = this.#atStart ? token : this.#lines[this.#line] + token;
        this.#atStart = false;
      }
    }
  }

  /** Moves up by rows; ending inside a wrapped line is an error. */
  #up(rows: number): void {
    for (let left = rows; left > 0;) {
      this.#line--;
      const line = this.#lines[this.#line];
      if (line === undefined) throw new Error("the cursor left the screen");
      left -= Math.max(1, Math.ceil(line.length / this.width));
      if (left < 0) throw new Error("the cursor is inside a wrapped line");
    }
  }

  get lines(): string[] {
    return this.#lines.slice(0, this.#atStart ? -1 : undefined);
  }
}

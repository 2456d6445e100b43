/** A command and its output. */
export interface Shown {
  /** As typed. */
  readonly command: string;
  readonly stdout: string;
  /** The process's id. */
  readonly pid: number;
}

/** Runs and shows commands as a user would type them. Stops at the first failure. */
export class Shell {
  readonly #main: URL;
  readonly #env: Record<string, string>;
  readonly #colour = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");

  /** @param main The program that `aim` runs. */
  constructor(main: URL) {
    this.#main = main;
    this.#env = {};
    // No settings, keys or tokens of the user: only what is needed to find programs and Deno's cache.
    for (const name of ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR", "LANG", "TERM", "COLUMNS"]) {
      const value = Deno.env.get(name);
      if (value !== undefined) this.#env[name] = value;
    }
  }

  comment(...lines: string[]): void {
    console.log(`\n${lines.map((line) => this.#style(36, `# ${line}`)).join("\n")}`);
  }

  /** A remark on the last output. */
  note(line: string): void {
    console.log(this.#style(2, `(${line})`));
  }

  /** Shows and executes an `export`. `$PATH` in a value is replaced. */
  export(variables: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(variables)) {
      console.log(this.#style(1, `$ export ${name}=${value}`));
      this.#env[name] = value.replace("$PATH", this.#env.PATH ?? "");
    }
  }

  /** Executes an `export` without showing its value. */
  exportSecret(name: string, value: string): void {
    console.log(this.#style(1, `$ export ${name}=…`));
    this.#env[name] = value;
  }

  /** Sets variables without showing them, to keep out the machine's own configuration. */
  set(variables: Readonly<Record<string, string>>): void {
    Object.assign(this.#env, variables);
  }

  /** Runs aim from source. @throws {Error} if it does not exit 0. */
  async aim(...args: string[]): Promise<Shown> {
    return await this.#show("aim", args, Deno.execPath(), this.#fromSource(args));
  }

  /** Runs another program. @throws {Error} if it does not exit 0. */
  async run(program: string, ...args: string[]): Promise<Shown> {
    return await this.#show(program, args, program, args);
  }

  /** Runs aim without showing it and ignores its exit code. */
  async quietly(...args: string[]): Promise<{ stdout: string }> {
    const { stdout } = await this.#command(Deno.execPath(), this.#fromSource(args), "null").output();
    return { stdout: new TextDecoder().decode(stdout) };
  }

  async #show(name: string, args: string[], program: string, realArgs: string[]): Promise<Shown> {
    const command = [name, ...args.map(quote)].join(" ");
    console.log(this.#style(1, `$ ${command}`));
    const child = this.#command(program, realArgs, "inherit").spawn();
    const output = await child.output();
    const stdout = new TextDecoder().decode(output.stdout);
    console.log(stdout.trimEnd());
    if (!output.success) throw new Error(`"${command}" ended with ${output.signal ?? output.code}`);
    return { command, stdout, pid: child.pid };
  }

  #fromSource(args: readonly string[]): string[] {
    const config = new URL("deno.json", this.#main).pathname;
    return ["run", "-q", "-P", "--no-prompt", `--config=${config}`, this.#main.pathname, ...args];
  }

  #command(program: string, args: readonly string[], stderr: "inherit" | "null"): Deno.Command {
    const env = this.#env;
    return new Deno.Command(program, {
      args: [...args],
      env,
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr,
    });
  }

  #style(code: number, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

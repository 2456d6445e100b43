/** The program that runs the engine. */
export interface EngineProgram {
  /** As it is called: `python`, `python3`, `vllm`. */
  readonly name: string;
  /** Absolute, or relative where PATH is. */
  readonly path: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Finds the program that runs the engine; for `python`, also `python3`. `null` if there is none. */
export function findEngine(env: Environment, program = "python"): EngineProgram | null {
  if (program.includes("/")) return isExecutable(program) ? { name: program, path: program } : null;
  const folders = (env.PATH ?? "").split(":").filter((folder) => folder !== "");
  for (const name of engineNames(program)) {
    for (const folder of folders) {
      const path = `${folder.replace(/\/+$/, "")}/${name}`;
      if (isExecutable(path)) return { name, path };
    }
  }
  return null;
}

/** The names under which an engine's program may be installed. */
export function engineNames(program: string): string[] {
  return program === "python" ? ["python", "python3"] : [program];
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

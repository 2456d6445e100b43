import { AimError } from "../errors/aim_error.ts";

/** The program that runs the engine. */
export interface EngineProgram {
  /** As it is called: `python`, `python3`, `vllm`. */
  readonly name: string;
  /** Absolute, or relative where PATH is. */
  readonly path: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds the program that runs the engine; for `python`, falls back to `python3`.
 *
 * @throws {AimError} `engine`, naming what was searched.
 */
export function findEngine(env: Environment, program = "python"): EngineProgram {
  const found = lookForEngine(env, program);
  if (found !== null) return found;
  const names = namesOf(program);
  throw new AimError(
    "engine",
    `${names.length > 1 ? `neither ${names.join(" nor ")} is` : `no ${program} is`} on PATH (${
      env.PATH ?? "PATH is not set"
    })`,
    { hint: "run aim in an image that has the engine, or set PATH" },
  );
}

/** As {@linkcode findEngine}, but `null` if there is none. */
export function lookForEngine(env: Environment, program = "python"): EngineProgram | null {
  if (program.includes("/")) return isExecutable(program) ? { name: program, path: program } : null;
  const folders = (env.PATH ?? "").split(":").filter((folder) => folder !== "");
  for (const name of namesOf(program)) {
    for (const folder of folders) {
      const path = `${folder.replace(/\/+$/, "")}/${name}`;
      if (isExecutable(path)) return { name, path };
    }
  }
  return null;
}

function namesOf(program: string): string[] {
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

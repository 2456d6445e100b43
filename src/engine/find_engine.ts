import { AimError } from "../errors/aim_error.ts";

/** The program that runs the engine. */
export interface EngineProgram {
  /** As it is called: `python` or `python3`. */
  readonly name: "python" | "python3";
  /** Absolute, or relative where PATH is. */
  readonly path: string;
}

/**
 * Finds the interpreter that runs the engine: `python` where there is one on PATH, else `python3`.
 *
 * @throws {AimError} `engine`, naming what was searched.
 */
export function findEngine(env: Readonly<Record<string, string | undefined>>): EngineProgram {
  const found = lookForEngine(env);
  if (found !== null) return found;
  throw new AimError("engine", `neither python nor python3 is on PATH (${env.PATH ?? "PATH is not set"})`, {
    hint: "run aim in an image that holds the engine, or set PATH",
  });
}

/** As {@linkcode findEngine}, but `null` where there is none. */
export function lookForEngine(env: Readonly<Record<string, string | undefined>>): EngineProgram | null {
  const folders = (env.PATH ?? "").split(":").filter((folder) => folder !== "");
  for (const name of ["python", "python3"] as const) {
    for (const folder of folders) {
      const path = `${folder.replace(/\/+$/, "")}/${name}`;
      if (isExecutable(path)) return { name, path };
    }
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { askProgram } from "../os/run_program.ts";
import { type EngineVersion, givenVersion, parseVersion } from "./engine_version.ts";
import { type Engine, engineNamed } from "./engines.ts";
import { type InstalledPackage, installedPackage } from "./installed_package.ts";

/** An engine, with its installed program and version. */
export interface ServingEngine extends Engine {
  /** As it is called: `python`, `python3`, `vllm`. */
  readonly program: string;
  /** Absolute, or relative if PATH is; `null` if it is not on this machine. */
  readonly path: string | null;
  /** `null` if it is not known. */
  readonly version: EngineVersion | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds the engine of a configuration.
 *
 * @param need `serve` requires the engine; `show` does not.
 * @param asIf A version to assume instead of the installed one.
 * @throws {AimError} `usage`: no such engine or version; `engine`: its program or package is not installed.
 */
export async function servingEngine(
  config: Pick<Config, "engine" | "configPath">,
  env: Environment,
  need: "serve" | "show",
  asIf: string | null = null,
): Promise<ServingEngine> {
  const engine = await engineNamed(config.engine, config.configPath);
  const [launch = ""] = engine.launch;
  const unfound = { program: launch === "python" ? "python3" : launch, path: null };
  const found = { ...engine, ...findProgram(launch, env) ?? unfound };
  if (found.path === null && need === "serve") {
    const none = launch === "python" ? "neither python nor python3 is" : `no ${launch} is`;
    throw new AimError("engine", `${none} on PATH (${env.PATH ?? "PATH is not set"})`, {
      hint: "run aim in an image that has the engine, or set PATH",
    });
  }
  if (asIf !== null) return { ...found, version: givenVersion(asIf) };
  if (found.path === null || engine.package === null) return { ...found, version: null };
  const installed = installedPackage(engine.package, found.path, env);
  const absent = installed.kind === "absent" && need === "serve";
  if (absent && await confirmAbsent(engine.package, found.path, env)) {
    throw new AimError("engine", `${found.path} has no module ${engine.package}`, {
      hint: `use an image with ${engine.name}, or put its Python first on PATH`,
    });
  }
  return { ...found, version: versionOf(installed, engine.package) };
}

/** Finds a program by `PATH`; for `python`, also `python3`. `null` if there is none. */
export function findProgram(name: string, env: Environment): { program: string; path: string } | null {
  if (name.includes("/")) return isExecutable(name) ? { program: name, path: name } : null;
  const folders = (env.PATH ?? "").split(":").filter((folder) => folder !== "");
  for (const program of name === "python" ? ["python", "python3"] : [name]) {
    const path = folders.map((folder) => `${folder.replace(/\/+$/, "")}/${program}`).find(isExecutable);
    if (path !== undefined) return { program, path };
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

/** Asks Python itself whether a package is missing, since its import hooks are invisible from outside. */
async function confirmAbsent(name: string, python: string, env: Environment): Promise<boolean> {
  const script =
    `import importlib.util; print("absent" if importlib.util.find_spec("${name}") is None else "there")`;
  return await askProgram(python, ["-c", script], env) === "absent";
}

function versionOf(installed: InstalledPackage, name: string): EngineVersion | null {
  const version = installed.kind === "installed" ? parseVersion(installed.version ?? "") : null;
  if (version === null) {
    const why = installed.kind === "unknown" ? installed.reason : `${name} does not state its version`;
    log.debug(`${name}: version unknown (${why}); arguments are checked against the newest known release`);
  } else log.debug(`${name} ${version.text} is installed`);
  return version;
}

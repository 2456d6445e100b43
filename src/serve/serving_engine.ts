import type { Config } from "../config/config.ts";
import { type Engine, engineNamed } from "../engine/engines.ts";
import { type EngineVersion, givenVersion, parseVersion } from "../engine/engine_version.ts";
import { engineNames, type EngineProgram, findEngine } from "../engine/find_engine.ts";
import { type InstalledPackage, installedPackage } from "../engine/installed_package.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { askProgram } from "../os/run_program.ts";

/** The engine that serves. */
export interface ServingEngine extends Engine {
  /** `null` if it is not on this machine: a dry run's. */
  readonly program: EngineProgram | null;
  /** `null`: not known. */
  readonly version: EngineVersion | null;
}

/**
 * The engine of a configuration and what is installed of it.
 *
 * @param need `serve` requires the engine; `show` does not.
 * @param asIf A version to take instead of the installed one.
 * @throws {AimError} `usage`: no such engine or version; `engine`: its program or package is not installed.
 */
export async function servingEngine(
  config: Pick<Config, "engine" | "configPath">,
  env: Readonly<Record<string, string | undefined>>,
  need: "serve" | "show",
  asIf: string | null = null,
): Promise<ServingEngine> {
  const engine = await engineNamed(config.engine, config.configPath);
  const [launch = ""] = engine.launch;
  const program = findEngine(env, launch);
  if (program === null && need === "serve") throw notOnPath(launch, env.PATH);
  if (asIf !== null) return { ...engine, program, version: givenVersion(asIf) };
  if (program === null || engine.package === null) return { ...engine, program, version: null };
  const installed = installedPackage(engine.package, program.path, env);
  if (
    installed.kind === "absent" && need === "serve" && await confirmAbsent(engine.package, program.path, env)
  ) {
    throw new AimError("engine", `${program.path} has no module ${engine.package}`, {
      hint: `use an image with ${engine.name}, or put its Python first on PATH`,
    });
  }
  return { ...engine, program, version: versionOf(installed, engine.package) };
}

function notOnPath(program: string, path: string | undefined): AimError {
  const names = engineNames(program);
  const none = names.length > 1 ? `neither ${names.join(" nor ")} is` : `no ${program} is`;
  return new AimError("engine", `${none} on PATH (${path ?? "PATH is not set"})`, {
    hint: "run aim in an image that has the engine, or set PATH",
  });
}

/** True if a Python says that it lacks a package: its import hooks are not seen from outside. */
async function confirmAbsent(
  name: string,
  python: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  const script =
    `import importlib.util; print("absent" if importlib.util.find_spec("${name}") is None else "there")`;
  return await askProgram(python, ["-c", script], env) === "absent";
}

function versionOf(installed: InstalledPackage, name: string): EngineVersion | null {
  const version = installed.kind === "installed" ? parseVersion(installed.version ?? "") : null;
  if (version === null) {
    const why = installed.kind === "unknown" ? installed.reason : `${name} does not say its version`;
    log.debug(`${name}: version unknown (${why}); arguments are checked against the newest known release`);
  } else log.debug(`${name} ${version.text} is installed`);
  return version;
}

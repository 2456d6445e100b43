import { fileType } from "../os/file_type.ts";
import { readRegularTextSync } from "../os/read_regular_file.ts";

/** A folder in which a Python looks for modules. */
export interface ModuleFolder {
  /** It need not exist. */
  readonly path: string;
  /** Directories of packages that are installed in it by reference (PEP 660's finders), by name. */
  readonly packages: ReadonlyMap<string, string>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Works out a Python's module path, in the order of its search, from its files as `site.py` and `getpath.py`
 * do, without starting it.
 *
 * @param directory Where it is started, which `python -m` searches first.
 */
export function modulePath(
  program: string,
  env: Environment,
  directory: string,
): readonly ModuleFolder[] | { readonly unknown: string } {
  const python = interpreterOf(program);
  if (python === null) return { unknown: `${program} is a script, not a Python` };
  const real = realPath(python);
  if (real === null) return { unknown: `${python} is not there` };
  const environment = virtualEnvironment(python);
  const base = env.PYTHONHOME?.split(":")[0] ||
    (environment?.home === undefined
      ? prefixOf(real)
      : prefixOf(realPath(environment.home + "/python3") ?? real));
  const version = environment?.version ?? versionOf(real, base);
  if (version === null) return { unknown: `no lib/python3.* is beside ${real}` };
  const site = [
    ...(environment === null ? [] : sitePackages(environment.prefix, version)),
    ...(environment === null || environment.systemPackages
      ? [...userPackages(env, version), ...sitePackages(base, version)]
      : []),
  ];
  const first = [
    ...(env.PYTHONSAFEPATH ? [] : [directory]),
    ...(env.PYTHONPATH ?? "").split(":").filter((folder) => folder !== ""),
  ];
  return [...first.map(plainFolder), ...site.flatMap(siteFolders)];
}

function plainFolder(path: string): ModuleFolder {
  return { path, packages: new Map() };
}

/** The program itself, or the interpreter in a script's first line; `null` for a script of another kind. */
function interpreterOf(program: string): string | null {
  let head: string;
  try {
    using file = Deno.openSync(program);
    const bytes = new Uint8Array(256);
    head = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  } catch {
    return program;
  }
  if (!head.startsWith("#!")) return program;
  const interpreter = head.slice(2).split("\n", 1)[0]?.trim().split(/\s+/)[0] ?? "";
  return /\/python[\d.]*$/.test(interpreter) ? interpreter : null;
}

interface VirtualEnvironment {
  readonly prefix: string;
  /** The folder of the Python that it was made from. */
  readonly home: string | undefined;
  readonly version: string | null;
  readonly systemPackages: boolean;
}

/** By `pyvenv.cfg` beside the program, or in the folder above: the program's own link is not followed. */
function virtualEnvironment(python: string): VirtualEnvironment | null {
  const folder = parent(python);
  for (const prefix of [folder, parent(folder)]) {
    const file = readRegularTextSync(`${prefix}/pyvenv.cfg`);
    if (file.kind !== "ok") continue;
    const setting = (name: string) =>
      new RegExp(`^\\s*${name}\\s*=\\s*(.*?)\\s*$`, "im").exec(file.value)?.[1];
    return {
      prefix,
      home: setting("home"),
      version: /^\d+\.\d+/.exec(setting("version(?:_info)?") ?? "")?.[0] ?? null,
      systemPackages: setting("include-system-site-packages")?.toLowerCase() === "true",
    };
  }
  return null;
}

function prefixOf(real: string): string {
  return parent(parent(real));
}

/** `3.12`, by the program's name, else by the library folder beside it. */
function versionOf(real: string, prefix: string): string | null {
  const named = /\/python(\d+\.\d+)$/.exec(real)?.[1];
  if (named !== undefined && fileType(`${prefix}/lib/python${named}`) === "directory") return named;
  return ["lib", "lib64"].flatMap((lib) => namesIn(`${prefix}/${lib}`))
    .map((entry) => /^python(3\.\d+)$/.exec(entry)?.[1]).find((version) => version !== undefined) ?? null;
}

/** Debian's patched `site.py` has `dist-packages`, and Red Hat's `lib64`. */
function sitePackages(prefix: string, version: string): string[] {
  const local = prefix === "/usr" ? ["/usr/local"] : [`${prefix}/local`];
  return [
    ...local.flatMap((folder) => [
      `${folder}/lib/python${version}/dist-packages`,
      `${folder}/lib/python${version}/site-packages`,
    ]),
    `${prefix}/lib/python${version}/site-packages`,
    `${prefix}/lib64/python${version}/site-packages`,
    `${prefix}/lib/python3/dist-packages`,
    `${prefix}/lib/python${version}/dist-packages`,
  ];
}

function userPackages(env: Environment, version: string): string[] {
  if (env.PYTHONNOUSERSITE) return [];
  const base = env.PYTHONUSERBASE || (env.HOME ? `${env.HOME}/.local` : "");
  return base === "" ? [] : [`${base}/lib/python${version}/site-packages`];
}

/** A folder of packages, and the folders that its `.pth` files add. */
function siteFolders(folder: string): ModuleFolder[] {
  const folders: string[] = [];
  const packages = new Map<string, string>();
  for (const name of namesIn(folder).filter((entry) => entry.endsWith(".pth")).sort()) {
    const file = readRegularTextSync(`${folder}/${name}`, 1024 * 1024);
    if (file.kind !== "ok") continue;
    for (const line of file.value.split(/\r?\n/).map((one) => one.trim())) {
      const finder = /^import (__editable__\w+_finder)\b/.exec(line)?.[1];
      if (finder !== undefined) {
        const text = readRegularTextSync(`${folder}/${finder}.py`, 4 * 1024 * 1024);
        const mapping = text.kind === "ok" ? /^MAPPING[^=]*= *\{([^}]*)\}/m.exec(text.value)?.[1] ?? "" : "";
        for (const [, key = "", path = ""] of mapping.matchAll(/['"]([\w.]+)['"]: *['"]([^'"]+)['"]/g)) {
          packages.set(key, path);
        }
      } else if (line !== "" && !line.startsWith("#") && !/^import\s/.test(line)) {
        const path = line.startsWith("/") ? line : `${folder}/${line}`;
        if (fileType(path) === "directory") folders.push(path);
      }
    }
  }
  return [{ path: folder, packages }, ...folders.map(plainFolder)];
}

/** Names in a folder; none if it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((entry) => entry.name);
  } catch {
    return [];
  }
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function realPath(path: string): string | null {
  try {
    return Deno.realPathSync(path);
  } catch {
    return null;
  }
}

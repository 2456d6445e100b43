import { join } from "@std/path";
import { digestHex } from "./digest_hex.ts";
import { V8_FLAGS } from "./v8_flags.ts";

/** What a self-extracting executable is made of. */
export interface SelfExtractingParts {
  /** Folder with `main.js` and all that it needs. */
  readonly program: string;
  /** Deno's executable for the target. */
  readonly runtime: string;
  /** Command line flags for the permission set. */
  readonly permissions: readonly string[];
  readonly version: string;
  /** As `uname -m` has it. */
  readonly arch: string;
}

/** A script of our own, so that sh needs no quoting of what is put in its place. */
const HEADER = new URL("self_extracting.sh", import.meta.url);
const UNPACK = new URL("unpack.js", import.meta.url);

// Nothing but the program itself: no configuration of whoever's directory it is in, no packages, no network for modules.
const DENO_FLAGS = `--quiet --no-prompt --no-config --no-lock --no-npm --no-remote ${V8_FLAGS}`;

/**
 * Writes one executable: a shell script, then what it unpacks. The same parts give the same bytes.
 *
 * @param output Path of the executable; what was there is replaced.
 * @returns Its size in bytes.
 */
export async function writeSelfExtracting(parts: SelfExtractingParts, output: string): Promise<number> {
  const encoder = new TextEncoder();
  const template = Deno.readTextFileSync(HEADER);
  const unpack = Deno.readFileSync(UNPACK);
  const files = filesBelow(parts.program);
  const archive = archiveOf(parts.program, files);
  const runtime = Deno.readFileSync(parts.runtime);
  // As "stat -c '%s %f'" has it: bytes, type and mode in hexadecimal.
  const stats = [
    ...files.map((file) => `${sizeOf(join(parts.program, file))} 8180`),
    `${runtime.length} 81c0`,
  ];
  const key = await digestHex(
    "SHA-256",
    encoder.encode([
      template,
      parts.permissions.join(" "),
      await digestHex("SHA-256", unpack),
      await digestHex("SHA-256", archive),
      await digestHex("SHA-256", runtime),
    ].join("\n")),
  );
  const header = (size: number): Uint8Array<ArrayBuffer> =>
    encoder.encode(fill(template, {
      VERSION: parts.version,
      KEY: key.slice(0, 16),
      FILES: [...files, "deno"].join(" "),
      STATS: stats.join("\n"),
      ARCH: parts.arch,
      DENO_FLAGS,
      PERMISSIONS: parts.permissions.join(" "),
      NEEDED: String(Math.ceil((runtime.length + 2 * archive.length) / 1e6)),
      UNPACK_AT: String(size),
      UNPACK_SIZE: String(unpack.length),
      ARCHIVE_AT: String(size + unpack.length),
      ARCHIVE_SIZE: String(archive.length),
      DENO_AT: String(size + unpack.length + archive.length),
      DENO_SIZE: String(runtime.length),
      TOTAL: String(size + unpack.length + archive.length + runtime.length),
    }));
  // Its own size is in it: with longer numbers it may grow once more.
  let head = header(0);
  while (header(head.length).length !== head.length) head = header(head.length);
  head = header(head.length);
  const temporary = `${output}.new`;
  using file = Deno.openSync(temporary, { write: true, create: true, truncate: true });
  for (const bytes of [head, unpack, archive, runtime]) {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  }
  Deno.chmodSync(temporary, 0o755);
  Deno.renameSync(temporary, output);
  return head.length + unpack.length + archive.length + runtime.length;
}

function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`self_extracting.sh asks for ${name}`);
    if (!/^[A-Za-z0-9 ._,=/+\n-]*$/.test(value)) {
      throw new Error(`${name} would need quoting in sh: ${value}`);
    }
    return value;
  });
}

/** Paths below a folder, in an order that does not depend on the file system. */
function filesBelow(folder: string, below = ""): string[] {
  const entries = [...Deno.readDirSync(join(folder, below))].sort((a, b) => a.name < b.name ? -1 : 1);
  return entries.flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory ? filesBelow(folder, path) : [path];
  });
}

function sizeOf(path: string): number {
  return Deno.statSync(path).size;
}

function archiveOf(folder: string, files: readonly string[]): Uint8Array<ArrayBuffer> {
  const contents = files.map((file) => Deno.readFileSync(join(folder, file)));
  const index = JSON.stringify(files.map((file, i) => [file, contents[i]?.length ?? 0]));
  const parts = [new TextEncoder().encode(`${index}\n`), ...contents];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const ROOT = new URL("../../", import.meta.url).pathname;
/** The executable's sources. */
const PARTS = [
  "main.ts",
  "deno.json",
  "deno.lock",
  "src",
  "profiles",
  "container/compile.ts",
  "container/packaging",
];

/** The executable `dist/aim`, built first if it is missing or older than its sources. */
export async function executable(): Promise<string> {
  const path = `${ROOT}dist/aim`;
  if (modified(path) < Math.max(...PARTS.map((part) => newest(`${ROOT}${part}`)))) {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-P", "container/compile.ts"],
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`dist/aim cannot be built: ${new TextDecoder().decode(stderr)}`);
  }
  return path;
}

function newest(path: string): number {
  if (!Deno.statSync(path).isDirectory) return modified(path);
  return Math.max(0, ...[...Deno.readDirSync(path)].map((entry) => newest(`${path}/${entry.name}`)));
}

/** A file's modification time in milliseconds; 0 if it is missing. */
function modified(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

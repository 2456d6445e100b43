const ROOT = new URL("../../", import.meta.url).pathname;
/** All that the executable is made of. */
const PARTS = [
  "main.ts",
  "deno.json",
  "deno.lock",
  "src",
  "profiles",
  "container/compile.ts",
  "container/packaging",
];

/** The built program, `dist/aim`: built now where it is not there, or older than what it is made of. */
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

/** When a file was last written, in milliseconds; 0 where it is not there. */
function modified(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

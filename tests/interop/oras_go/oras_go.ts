const SCRIPT = new URL("build.sh", import.meta.url).pathname;

/** The path of `main.go`'s program, built once and cached; or why it is unavailable. */
export async function orasGo(): Promise<string | { readonly skip: string }> {
  const { code, stdout, stderr } = await new Deno.Command(SCRIPT, { stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (code === 0) return text(stdout);
  if (code === 75) return { skip: text(stderr).split("\n").at(-1) ?? "" };
  throw new Error(`build.sh: ${text(stderr)}`);
}

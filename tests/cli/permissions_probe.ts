// Loaded before main.ts in a process of aim: when that ends, it asks for everything and reports what it gets.
// It then still holds only what the command has kept.
const ASK: Record<string, () => unknown> = {
  write: () => Deno.writeTextFileSync(`${Deno.env.get("PROBE_DIR")}/written`, "x"),
  net: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
  run: () => new Deno.Command("true").outputSync(),
  ffi: () => Deno.dlopen("libc.so.6", { getpid: { parameters: [], result: "i32" } }).close(),
};

globalThis.addEventListener("unload", () => {
  const granted = Object.entries(ASK).filter(([, ask]) => {
    try {
      ask();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return false;
      throw error;
    }
  }).map(([name]) => name);
  Deno.stderr.writeSync(new TextEncoder().encode(`PROBE ${JSON.stringify(granted)}\n`));
});

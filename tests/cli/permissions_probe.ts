// Preloaded into an aim process: tries to use every permission and reports which are granted, when aim first
// loads the C library and when the process ends.
const { dlopen } = Deno;
const LIBC = { getpid: { parameters: [], result: "i32" } } as const;
const ASK: Record<string, () => unknown> = {
  write: () => Deno.writeTextFileSync(`${Deno.env.get("PROBE_DIR")}/written`, "x"),
  net: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
  run: () => new Deno.Command("true").outputSync(),
  ffi: () => dlopen("libc.so.6", LIBC).close(),
  sys: () => Deno.hostname(),
};

globalThis.addEventListener("unload", () => report("end"));
let loaded = false;
Object.defineProperty(Deno, "dlopen", {
  value: (...args: Parameters<typeof dlopen>) => {
    if (!loaded) report("library");
    loaded = true;
    return dlopen(...args);
  },
});

function report(when: string): void {
  const granted = Object.entries(ASK).filter(([, ask]) => {
    try {
      ask();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return false;
      throw error;
    }
  }).map(([name]) => name);
  Deno.stderr.writeSync(new TextEncoder().encode(`PROBE ${when} ${JSON.stringify(granted)}\n`));
}

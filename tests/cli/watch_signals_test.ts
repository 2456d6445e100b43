import { assertEquals } from "@std/assert";
import { DENO_RUN, plainEnvironment } from "./aim.ts";

const PROGRAM = new URL("watch_signals_program.ts", import.meta.url).pathname;

/** Starts the program and sends the signals; returns its output after `ready` and its exit code. */
async function signalled(delay: number, signals: readonly Deno.Signal[]): Promise<[string, number]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...DENO_RUN, PROGRAM, String(delay)],
    clearEnv: true,
    env: plainEnvironment(),
    stdout: "piped",
  }).spawn();
  let printed = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    printed += text;
    // Sends one signal per line of output, so that each is handled before the next.
    const next = signals[printed.split("\n").length - 2];
    if (next !== undefined) child.kill(next);
  }
  return [printed.replace("ready\n", ""), (await child.status).code];
}

Deno.test("SIGINT and SIGTERM abort with their own error and exit code", async () => {
  assertEquals(await signalled(0, ["SIGINT"]), ["aim: error: stopped by SIGINT\n", 130]);
  assertEquals(await signalled(0, ["SIGTERM"]), ["aim: error: stopped by SIGTERM\n", 143]);
});

Deno.test("a second signal ends the process immediately", async () => {
  assertEquals(await signalled(60_000, ["SIGTERM", "SIGINT"]), ["aim: error: stopped by SIGTERM\n", 130]);
});

import { assert, assertEquals } from "@std/assert";
import { type BareMachine, BYTES, MODEL, startBareMachine, WEIGHTS } from "./bare_machine.ts";
import type { Contained } from "./contained.ts";
import { e2e } from "./e2e.ts";

const DOWNLOAD = ["aim", "download-to-cache", "--model-id", `hf://${MODEL}`, "--part-size", "65536"];
const WEIGHTS_PATH = `cache/${MODEL}/model.safetensors`;
/** Milliseconds within which a download must end after a signal. */
const PROMPTLY = 2000;

// Each run is PID 1 of the same host: after SIGKILL, the next run waits until the killed one's lock expires.
// The exit code after SIGKILL is unshare's and is not checked.
for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGKILL", null]] as const) {
  await e2e(`a download that ${signal} interrupts is resumed by the next run`, {}, async () => {
    await using machine = await startBareMachine();
    machine.hub.faults.push({ kind: "slow", rate: 100_000, file: "model.safetensors" });
    const running = await machine.start(DOWNLOAD);
    await sent(machine, running, BYTES / 2);
    const told = performance.now();
    running.kill(signal);
    const ended = await running.ended;
    assert(performance.now() - told < PROMPTLY);
    if (code !== null) assertEquals(ended, code, await running.stderr());
    assertEquals(await exists(`${machine.work}/${WEIGHTS_PATH}`), false);

    machine.hub.faults.length = 0;
    const before = machine.hub.bytesSent();
    const again = await machine.run(DOWNLOAD);
    assertEquals(again.code, 0, again.stderr);
    assert(machine.hub.bytesSent() - before < BYTES, "the download was not resumed");
    assertEquals(await Deno.readFile(`${machine.work}/${WEIGHTS_PATH}`), WEIGHTS);
  });
}

await e2e("SIGTERM ends serve as PID 1 while it downloads", {}, async () => {
  await using machine = await startBareMachine();
  machine.hub.faults.push({ kind: "slow", rate: 100_000, file: "model.safetensors" });
  const running = await machine.start(["aim", "serve", "--model", MODEL]);
  await sent(machine, running, 100_000);
  const told = performance.now();
  running.kill("SIGTERM");
  assertEquals(await running.ended, 143, await running.stderr());
  assert(performance.now() - told < PROMPTLY);
  assertEquals(await running.stdout(), "");
});

/** Waits until the hub has sent this many bytes. */
async function sent(machine: BareMachine, running: Contained, bytes: number): Promise<void> {
  let over = false;
  running.ended.then(() => over = true);
  while (machine.hub.bytesSent() < bytes) {
    if (over) throw new Error(`it ended after ${machine.hub.bytesSent()} bytes: ${await running.stderr()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

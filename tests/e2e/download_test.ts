import { assert, assertEquals } from "@std/assert";
import { type BareMachine, BYTES, MODEL, startBareMachine, WEIGHTS } from "./bare_machine.ts";
import type { Contained } from "./contained.ts";
import { e2e } from "./e2e.ts";

const DOWNLOAD = ["aim", "download-to-cache", "--model-id", `hf://${MODEL}`, "--part-size", "65536"];
const WEIGHTS_PATH = `cache/${MODEL}/model.safetensors`;
/** Milliseconds within which a download must end after a signal. */
const PROMPTLY = 2000;

// After SIGKILL the next run waits for what the killed one has reserved: to both, both are process 1 of the
// same host. What unshare makes of a killed child is its own matter.
for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGKILL", null]] as const) {
  await e2e(`after ${signal} in mid-download, the next run fetches the rest`, {}, async () => {
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
    assert(machine.hub.bytesSent() - before < BYTES, "nothing was kept");
    assertEquals(await Deno.readFile(`${machine.work}/${WEIGHTS_PATH}`), WEIGHTS);
  });
}

await e2e("serve as PID 1 downloads first, and SIGTERM ends it then too", {}, async () => {
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

/** Waits until the hub has sent so much. */
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

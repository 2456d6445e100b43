import { assert, assertEquals } from "@std/assert";
import { BYTES, MODEL, startBareMachine, WEIGHTS } from "./bare_machine.ts";
import { e2e } from "./e2e.ts";

const DOWNLOAD = ["aim", "download-to-cache", "--model-id", `hf://${MODEL}`, "--part-size", "65536"];
/** Milliseconds within which a download has to end when it is told to. */
const PROMPTLY = 2000;

for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGKILL", 137]] as const) {
  await e2e(
    `${signal} in the middle of a download: ${code}, and the next run brings the rest`,
    {},
    async () => {
      await using machine = await startBareMachine();
      machine.hub.faults.push({ kind: "slow", rate: 100_000, file: "model.safetensors" });
      const running = await machine.start(DOWNLOAD);
      const halfway = running.ended.then((code) => {
        throw new Error(`it ended with ${code}`);
      });
      halfway.catch(() => {});
      await Promise.race([halfway, until(() => machine.hub.bytesSent() > BYTES / 2)]);
      const told = performance.now();
      running.kill(signal);
      assertEquals(await running.ended, code, await running.stderr());
      assert(performance.now() - told < PROMPTLY);
      assertEquals(await exists(`${machine.work}/cache/${MODEL}/model.safetensors`), false);

      machine.hub.faults.length = 0;
      const before = machine.hub.bytesSent();
      const again = await machine.run(DOWNLOAD);
      assertEquals(again.code, 0, again.stderr);
      assert(machine.hub.bytesSent() - before < BYTES, "nothing was kept");
      assertEquals(await Deno.readFile(`${machine.work}/cache/${MODEL}/model.safetensors`), WEIGHTS);
    },
  );
}

await e2e("serve as PID 1 downloads first, and SIGTERM ends it then too", {}, async () => {
  await using machine = await startBareMachine();
  machine.hub.faults.push({ kind: "slow", rate: 100_000, file: "model.safetensors" });
  const running = await machine.start(["aim", "serve", "--model", MODEL]);
  await until(() => machine.hub.bytesSent() > 100_000);
  const told = performance.now();
  running.kill("SIGTERM");
  assertEquals(await running.ended, 143, await running.stderr());
  assert(performance.now() - told < PROMPTLY);
  assertEquals(await running.stdout(), "");
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

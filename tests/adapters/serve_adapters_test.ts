import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { DENO_RUN, MAIN } from "../cli/aim.ts";
import { startWorld } from "../cli/world.ts";
import { freePort } from "../servers/free_port.ts";
import { writeAdapter } from "./adapter_folder.ts";

const STUB = fromFileUrl(new URL("stub_vllm.py", import.meta.url));
const PROFILE = `aim_id: org/model
model_id: org/model
metadata:
  engine: vllm
  accelerator_type: gpu
  accelerator_model: MI300X
  accelerator_count: 1
  precision: bf16
  metric: latency
  type: optimized
  features: [adapters]
engine_args: {}
env_vars: {}
`;

async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let left = 300; !await isSo(); left--) {
    if (left === 0) throw new Error(`not within 30 seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

for (const mode of ["dynamic", "static"] as const) {
  Deno.test(`${mode} adapters: the engine has the PID of serve, and SIGTERM to the engine also ends the watcher`, async () => {
    await using world = await startWorld();
    const { directory } = world;
    const log = `${directory}/log`, adapters = `${directory}/adapters`;
    await Deno.mkdir(`${directory}/profiles/org/model`, { recursive: true });
    await Deno.writeTextFile(`${directory}/profiles/org/model/vllm-mi300x-bf16-tp1-latency.yaml`, PROFILE);
    await Deno.writeTextFile(`${directory}/bin/python3`, `#!/bin/sh\nexec "$STUB_PYTHON" "$@"\n`, {
      mode: 0o755,
    });
    await Deno.writeTextFile(
      `${directory}/bin/python`,
      `#!/bin/sh\n[ "$1" = -m ] && shift 2 && exec "$STUB_PYTHON" '${STUB}' "$@"\nexec "$STUB_PYTHON" "$@"\n`,
      { mode: 0o755 },
    );
    await writeAdapter(adapters, "first");
    const child = new Deno.Command(Deno.execPath(), {
      args: [...DENO_RUN, MAIN, "serve", "--timings"],
      clearEnv: true,
      env: {
        ...world.env,
        STUB_LOG: log,
        STUB_PYTHON: await pythonPath(),
        AIM_ID: "org/model",
        AIM_GPU_MODEL: "MI300X",
        AIM_PORT: `${freePort()}`,
        AIM_PROFILE_PATH: `${directory}/profiles`,
        AIM_EMBEDDED_PROFILES: "false",
        AIM_ADAPTER_SOURCE: adapters,
        AIM_ADAPTER_MODE: mode,
        AIM_ADAPTER_REFRESH_INTERVAL: "5",
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const said = new Response(child.stderr).text();
    const lines = async () =>
      (await Deno.readTextFile(log).catch(() => "")).split("\n").filter((l) => l !== "");
    try {
      await until("the engine starts", async () => (await lines()).length > 0);
      const [started = ""] = await lines();
      assertEquals(started.split(" ")[1], `${child.pid}`);
      assert(started.includes("--enable-lora") && started.includes("--max-lora-rank 32"), started);
      assertEquals(started.includes(`first=${adapters}/first`), mode === "static");
      if (mode === "dynamic") {
        await until("loaded", async () => (await lines()).includes("load first"));
        // Each check takes another five seconds.
        if (Deno.env.get("AIM_TEST_FULL") === "1") {
          await writeAdapter(adapters, "first", { bytes: 100 });
          await until("replaced", async () => (await lines()).includes("replace first"));
        }
        await Deno.remove(`${adapters}/first`, { recursive: true });
        await until("unloaded", async () => (await lines()).includes("unload first"));
      }
    } finally {
      child.kill("SIGTERM");
      await child.status;
    }
    // The watcher shares standard error, which closes once both have ended.
    const text = await said;
    const timings = text.split("\n").flatMap((line) =>
      line.startsWith("{") ? [JSON.parse(line).timings] : []
    )[0];
    assert(timings.total >= timings.resolve, JSON.stringify(timings));
    for (const step of ["settings", "hardware", "engine", "profile", "resolve", "download", "prepare"]) {
      assert(step in timings, step);
    }
  });
}

async function pythonPath(): Promise<string> {
  const { stdout } = await new Deno.Command("python3", { args: ["-c", "import sys; print(sys.executable)"] })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

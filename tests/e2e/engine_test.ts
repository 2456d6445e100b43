import { assert, assertEquals, assertMatch } from "@std/assert";
import { type BareMachine, MODEL, startBareMachine } from "./bare_machine.ts";
import { e2e } from "./e2e.ts";

/** Users of containers, from root with a container runtime's capabilities to a restricted Kubernetes pod. */
const USERS = [
  { who: "root", uid: 0, capabilities: true },
  { who: "root without capabilities", uid: 0, capabilities: false },
  { who: "user 1000 without capabilities", uid: 1000, capabilities: false },
  { who: "a user without a passwd entry", uid: 4_000_000, capabilities: false },
];

await e2e("the engine replaces aim as PID 1 and inherits nothing from it", {}, async (t) => {
  await using machine = await downloaded();
  for (const { who, uid, capabilities } of USERS) {
    await t.step(who, async () => {
      const { code, stdout, stderr } = await machine.run(["aim", "serve", "--model", MODEL], {
        uid,
        capabilities,
        offline: true,
      });
      assertEquals(code, 0, stderr);
      const lines = stdout.trimEnd().split("\n");
      const all = (prefix: string) =>
        lines.filter((line) => line.startsWith(`${prefix} `)).map((line) => line.slice(prefix.length + 1));
      assertEquals(all("engine"), ["pid 1"]);
      assert(all("arg").includes(`/job/cache/${MODEL}`));

      const status = Object.fromEntries(all("status").map((line) => line.split(": ")));
      assertEquals(status.Uid, [uid, uid, uid, uid].join(" "));
      for (const name of ["SigBlk", "SigIgn", "SigPnd"]) {
        // 32 and 33 are the C library's own signals, inherited from the caller.
        assertEquals(BigInt(`0x${status[name]}`) & ~(3n << 31n), 0n, name);
      }
      if (!capabilities) {
        for (const name of ["CapEff", "CapBnd"]) assertMatch(status[name] ?? "", /^0+$/, name);
      }

      const open = Object.fromEntries(all("fd").map((line) => line.split(" ")));
      assertEquals(Object.keys(open).filter((fd) => !["0", "1", "2"].includes(fd)), ["10"]);
      assertEquals([open["0"], open["10"]], ["/dev/null", "/job/bin/python3"]);

      const env = all("env");
      assertEquals(env.filter((line) => /^(DENO|NODE|AIM_RUNTIME|_AIM)/.test(line)), []);
      assert(env.includes("PATH=/job/bin:/usr/local/bin:/usr/bin:/bin"));
    });
  }
});

await e2e("variables for Deno and Node.js are passed to the engine and do not affect aim", {}, async () => {
  await using machine = await downloaded();
  const theirs = {
    NODE_OPTIONS: "--require /none",
    DENO_V8_FLAGS: "--none",
    DENO_DIR: "/none",
    NODE_ENV: "x",
  };
  const { code, stdout, stderr } = await machine.run(["aim", "serve", "--model", MODEL], { env: theirs });
  assertEquals(code, 0, stderr);
  for (const [name, value] of Object.entries(theirs)) {
    assert(stdout.includes(`env ${name}=${value}\n`), `${name}\n${stdout}`);
  }
});

await e2e("signals reach the engine", {}, async (t) => {
  await using machine = await downloaded();
  await Deno.writeTextFile(`${machine.work}/stay`, "");
  for (const signal of ["SIGINT", "SIGUSR1", "SIGHUP", "SIGTERM"] as const) {
    await t.step(signal, async () => {
      const running = await machine.start(["aim", "serve", "--model", MODEL]);
      await running.printed("engine stays");
      running.kill(signal);
      await running.printed(`signal ${signal.slice(3)}`);
      if (signal !== "SIGTERM") running.kill("SIGTERM");
      assertEquals(await running.ended, 0);
    });
  }
});

await e2e("a missing engine, or one that is not a program, is exit 9", {}, async (t) => {
  await using machine = await downloaded();
  const serve = () => machine.run(["aim", "serve", "--model", MODEL]);
  await t.step("not a program", async () => {
    await Deno.writeTextFile(`${machine.work}/bin/python3`, "\x7fELF no", { mode: 0o755 });
    const { code, stderr } = await serve();
    assertEquals(code, 9, stderr);
    assertMatch(stderr, /\/job\/bin\/python3 cannot be executed/);
  });
  await t.step("missing", async () => {
    await Deno.remove(`${machine.work}/bin/python3`);
    const { code, stderr } = await serve();
    assertEquals(code, 9, stderr);
  });
});

/** A machine with the model in its cache. */
async function downloaded(): Promise<BareMachine> {
  const machine = await startBareMachine();
  const { code, stderr } = await machine.run(["aim", "download-to-cache", "--model-id", `hf://${MODEL}`]);
  assertEquals(code, 0, stderr);
  return machine;
}

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AimError } from "../../src/errors/aim_error.ts";
import { installed } from "../cache/caches.ts";
import { findProgram, servingEngine } from "../../src/engine/serving_engine.ts";
import { replaceProcess } from "../../src/engine/exec.ts";

const PROGRAM = fromFileUrl(new URL("./exec_program.ts", import.meta.url));
const CONFIG = fromFileUrl(new URL("../../deno.json", import.meta.url));

/** Runs a process that becomes `program`. `before` is a shell command to run first, `flags` are Deno's. */
async function become(
  program: { path: string; argv: string[]; env: Record<string, string> },
  options: { flags?: string[]; before?: string } = {},
): Promise<{ pid: number; code: number; stdout: string; stderr: string }> {
  const flags = ["run", "-q", "--no-prompt", "--config", CONFIG, ...(options.flags ?? ["-P"])];
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      `${options.before ?? ""} exec "$@"`,
      "sh",
      Deno.execPath(),
      ...flags,
      PROGRAM,
      JSON.stringify(program),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { pid: child.pid, code, stdout: text(stdout), stderr: text(stderr) };
}

const sh = (script: string, ...args: string[]) => ({
  path: "/bin/sh",
  argv: ["sh", "-c", script, ...args],
  env: {},
});

Deno.test("the engine keeps aim's PID, and its exit code is aim's", async () => {
  const { pid, code, stdout } = await become(sh("echo $$; exit 42"));
  assertEquals([Number(stdout), code], [pid, 42]);
});

Deno.test("the engine gets exactly the given arguments and environment", async () => {
  const words = ["a b", "", "é\n", "'\"$(x)`", "--flag=ü"];
  const { stdout } = await become({
    path: "/usr/bin/env",
    argv: ["env", "-0"],
    env: { PLAIN: "1", EMPTY: "", "ODD NAME": "a=b\nc" },
  });
  assertEquals(stdout.split("\0").filter((line) => line !== "").sort(), [
    "EMPTY=",
    "ODD NAME=a=b\nc",
    "PLAIN=1",
  ]);
  const echoed = await become(sh('for word in "$@"; do printf "%s\\0" "$word"; done', "sh", ...words));
  assertEquals(echoed.stdout.split("\0").slice(0, -1), words);
});

Deno.test("in the engine every signal has its default action and none is blocked, even if aim inherited ignored ones", async () => {
  // cat has no signal handlers, unlike some shells and tools.
  const { stdout } = await become(
    { path: "/bin/cat", argv: ["cat", "/proc/self/status"], env: {} },
    { before: "trap '' PIPE HUP USR1;" },
  );
  // 32 and 33 are the C library's own signals, inherited from the caller.
  const mask = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s+([0-9a-f]+)$`, "m").exec(stdout)?.[1]}`) & ~(3n << 31n);
  assertEquals([mask("SigBlk"), mask("SigIgn"), mask("SigCgt")], [0n, 0n, 0n]);
});

const NO_STRACE = installed("strace") ? "" : " (skipped: strace is not installed)";

for (
  const [where, before] of [
    ["", ""],
    [
      ` if the kernel lacks close_range${NO_STRACE}`,
      'set -- strace -f -qq -o /dev/null -e trace=close_range -e inject=close_range:error=ENOSYS "$@";',
    ],
  ] as const
) {
  Deno.test({
    name: `no file descriptor leaks${where}`,
    ignore: before !== "" && NO_STRACE !== "",
    async fn() {
      const program = { path: "/bin/ls", argv: ["ls", "/proc/self/fd"], env: {} };
      const { stdout } = await become(program, { before: `exec 9</dev/null; ${before}` });
      // The fourth is the folder that ls reads.
      assertEquals(stdout.trim().split("\n"), ["0", "1", "2", "3"]);
    },
  });
}

Deno.test("a program that cannot be executed is an engine error with the reason", async () => {
  const { code, stderr } = await become({ path: "/etc/passwd", argv: ["x"], env: {} });
  assertEquals(code, 9);
  assertMatch(stderr, /\/etc\/passwd cannot be executed: Permission denied/);
});

Deno.test("an argument that contains NUL is refused", async () => {
  const error = await assertRejects(
    () => replaceProcess("/bin/true", ["true", "a\0b"], {}),
    AimError,
    "contains NUL",
  );
  assertEquals(error.hint, "remove the NUL character");
});

Deno.test("without FFI the engine runs as a child with the same exit code", async () => {
  const flags = ["--allow-run", "--allow-read", "--allow-env"];
  const { pid, code, stdout } = await become(sh("echo $$; exit 7"), { flags });
  assertEquals(code, 7);
  assert(Number(stdout) !== pid);
});

/** Runs a shell script as the child of a process without FFI, and reads its output line by line. */
function asChild(script: string, ...words: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "--config", CONFIG, "--allow-run", "--allow-read", "--allow-env"]
      .concat([PROGRAM, JSON.stringify(sh(script)), ...words]),
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return { child, reader, next: async () => (await reader.read()).value?.trim() };
}

Deno.test("aim forwards signals to a child and reports a signal that ends it", async () => {
  const { child, reader, next } = asChild("trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done");
  assertEquals(await next(), "ready");
  child.kill("SIGUSR1");
  assertEquals(await next(), "usr1");
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 143);
  await reader.cancel();
});

Deno.test("a second SIGINT ends both aim and the child", async () => {
  const script = "trap 'echo int' INT; trap 'echo term; exit' TERM; echo ready; while :; do sleep 0.05; done";
  const { child, next } = asChild(script, "watched");
  assertEquals(await next(), "ready");
  child.kill("SIGINT");
  assertEquals(await next(), "int");
  child.kill("SIGINT");
  assertEquals((await child.status).code, 130);
  assertEquals(await next(), "term");
  assertEquals(await next(), undefined);
});

Deno.test("the engine inherits the limit on open files that aim was started with, by exec and as a child", async () => {
  for (const flags of [undefined, ["--allow-run", "--allow-read", "--allow-env"]]) {
    const limited = sh("ulimit -Sn; ulimit -Hn");
    const { stdout } = await become(limited, {
      ...(flags === undefined ? {} : { flags }),
      before: "export _AIM_LAUNCHED=1000;",
    });
    const [soft, hard] = stdout.trim().split("\n");
    assertEquals(soft, "1000");
    assert(Number(hard) > 1000 || hard === "unlimited", `${hard}`);
  }
});

Deno.test("an engine that runs as a child gets Ctrl-C once and is not orphaned by SIGALRM", async () => {
  const count =
    "trap 'echo int' INT; trap 'echo alrm; exit 5' ALRM; echo ready; while :; do sleep 0.05; done";
  const command = [Deno.execPath(), "run", "-q", "--no-prompt", "--config", CONFIG]
    .concat(["--allow-run", "--allow-read", "--allow-env", PROGRAM, JSON.stringify(sh(count))]);
  // A terminal signals its foreground group: aim, and the child if it is in the same group.
  const script = "import os, pty, signal, sys, time\npid, fd = pty.fork()\n" +
    "if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])\n" +
    'seen = b""\n' +
    "def until(word):\n  global seen\n  while word not in seen: seen += os.read(fd, 1024)\n" +
    'until(b"ready"); os.write(fd, b"\\x03"); until(b"int"); time.sleep(0.5)\n' +
    'os.kill(pid, signal.SIGALRM); until(b"alrm")\n' +
    "print(seen.count(b'int'), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
  const { stdout, stderr } = await new Deno.Command("python3", { args: ["-c", script, ...command] }).output();
  assertEquals(new TextDecoder().decode(stdout).trim(), "1 5", new TextDecoder().decode(stderr));
});

Deno.test("python is preferred to python3, only executable files count, and an error names the search path", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${directory}/a`);
    await Deno.mkdir(`${directory}/b`);
    await Deno.writeTextFile(`${directory}/a/python3`, "#!/bin/sh\n", { mode: 0o755 });
    await Deno.writeTextFile(`${directory}/a/python`, "not executable", { mode: 0o644 });
    const env = { PATH: `${directory}/a:${directory}/b` };
    assertEquals(findProgram("python", env), { program: "python3", path: `${directory}/a/python3` });
    await Deno.writeTextFile(`${directory}/b/python`, "#!/bin/sh\n", { mode: 0o755 });
    assertEquals(findProgram("python", env), { program: "python", path: `${directory}/b/python` });
    assertEquals(findProgram("python", { PATH: directory }), null);
    await assertRejects(
      () => servingEngine({ engine: "vllm", configPath: directory }, { PATH: directory }, "serve"),
      AimError,
      directory,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { callersEnvironment } from "../../src/cli/callers_environment.ts";
import { colourEnabled } from "../../src/cli/output.ts";
import { reportError } from "../../src/cli/report_error.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { type ErrorKind, EXIT_CODES } from "../../src/errors/exit_codes.ts";
import { errorFrom } from "../../src/errors/from_unknown.ts";
import { keepSecret } from "../../src/log/redact.ts";
import { aim, DENO_RUN, MAIN, plainEnvironment } from "./aim.ts";

Deno.test("--version prints version, commit, Deno and form on one line", async () => {
  const { code, stdout, stderr } = await aim(["--version"]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^aim \d+\.\d+\.\d+ \((commit [0-9a-f]{12}, )?Deno \d+\.\d+\.\d+, source\)\n$/);
});

Deno.test("help is printed to standard output at any flag position, even if the environment is invalid", async () => {
  const env = { AIM_PORT: "nonsense" };
  const [overview, flag] = await Promise.all([aim(["help"], { env }), aim(["--help"], { env })]);
  assertEquals([overview.code, overview.stderr, flag.stdout], [0, "", overview.stdout]);
  assertMatch(overview.stdout, /^Usage: aim /m);
  const one = await aim(["help", "--help"], { env });
  assertMatch(one.stdout, /^aim help: /);
});

Deno.test("a usage error is one line on standard error, nothing on standard output, exit 2", async () => {
  const { code, stdout, stderr } = await aim(["hlp"]);
  assertEquals([code, stdout, stderr], [
    2,
    "",
    'aim: error: unknown command "hlp"; did you mean aim help?\n',
  ]);
});

Deno.test("with the JSON log format, an error is a line of JSON", async () => {
  for (
    const [args, env] of [[["--log-format=json", "hlp"], {}], [["hlp"], { AIM_LOG_FORMAT: "JSON" }]] as const
  ) {
    const { code, stderr } = await aim(args, { env });
    const { time, ...rest } = JSON.parse(stderr);
    assertEquals(rest, {
      schemaVersion: 1,
      level: "ERROR",
      message: 'unknown command "hlp"',
      hint: "did you mean aim help?",
      kind: "usage",
      exitCode: 2,
    });
    assert(!Number.isNaN(Date.parse(time)));
    assertEquals(code, 2);
  }
});

Deno.test("every kind of error has its documented exit code and one line without secrets", () => {
  keepSecret("planted-secret-77");
  for (const kind of Object.keys(EXIT_CODES) as ErrorKind[]) {
    const error = new AimError(kind, "first\nsecond planted-secret-77", { hint: "do this" });
    const { line, code } = reportError(error, "text");
    assertEquals([line, code], ["aim: error: first\\nsecond ***; do this", EXIT_CODES[kind].code]);
    assertEquals(reportError(error, "json").line.includes("planted"), false);
  }
  assertEquals(reportError(new TypeError("odd"), "text"), {
    line: "aim: error: unexpected error: odd",
    code: 1,
  });
  assertEquals(reportError("thrown text", "text").code, 1);
});

Deno.test("the program ends without an error when its reader closes the pipe", async () => {
  const shell = `"$0" "$@" | head -c 20 >/dev/null; echo "\${PIPESTATUS[0]}"`;
  const output = await new Deno.Command("bash", {
    args: ["-c", shell, Deno.execPath(), ...DENO_RUN, MAIN, "help", "environment"],
    clearEnv: true,
    env: plainEnvironment(),
  }).output();
  assertEquals(new TextDecoder().decode(output.stderr), "");
  assertEquals(new TextDecoder().decode(output.stdout), "0\n");
});

Deno.test("colours depend on NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, TERM and the terminal, in that order", () => {
  const cases: [Record<string, string>, boolean, boolean][] = [
    [{}, true, true],
    [{}, false, false],
    [{ NO_COLOR: "1" }, true, false],
    [{ NO_COLOR: "" }, true, true],
    [{ NO_COLOR: "1", CLICOLOR_FORCE: "1" }, true, false],
    [{ CLICOLOR_FORCE: "1" }, false, true],
    [{ CLICOLOR_FORCE: "0" }, false, false],
    [{ CLICOLOR: "0" }, true, false],
    [{ TERM: "dumb" }, true, false],
    [{ TERM: "dumb", CLICOLOR_FORCE: "1" }, false, true],
    [{ FORCE_COLOR: "1" }, false, true],
    [{ FORCE_COLOR: "3", TERM: "dumb" }, false, true],
    [{ FORCE_COLOR: "1", CLICOLOR: "0" }, true, true],
    [{ FORCE_COLOR: "" }, false, false],
    [{ FORCE_COLOR: "0" }, true, false],
    [{ FORCE_COLOR: "0", CLICOLOR_FORCE: "1" }, true, false],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, false],
  ];
  for (const [env, isTerminal, expected] of cases) {
    assertEquals(colourEnabled(env, isTerminal), expected, JSON.stringify([env, isTerminal]));
  }
});

Deno.test("variables that Deno adds to the environment are not passed to the engine", () => {
  const given = { PATH: "/usr/bin:/bin", HOME: "/root" };
  assertEquals(callersEnvironment(given), given);
  const added = { ...given, PATH: "/deno/node_compat_bin:/usr/bin:/bin", DENO_NODE_SHIM_ACTIVE: "1" };
  assertEquals(callersEnvironment(added), given);
  assertEquals(callersEnvironment({ HOME: "/root" }), { HOME: "/root" });
});

Deno.test("help on a group lists its commands; help on an unknown word suggests the nearest", async () => {
  const [group, flag, wrong] = await Promise.all([
    aim(["help", "cache"]),
    aim(["cache", "-h"]),
    aim(["help", "enviroment"]),
  ]);
  assertEquals([group.code, flag.stdout], [0, group.stdout]);
  for (const name of ["cache list", "cache verify", "cache remove", "cache prune"]) {
    assertMatch(group.stdout, new RegExp(`^  ${name} `, "m"));
  }
  assertEquals(wrong.stderr, 'aim: error: no help on "enviroment"; did you mean aim help environment?\n');
});

Deno.test("help on a command shows its flags with variables and defaults, and its examples", async () => {
  const { stdout } = await aim(["help", "dry-run"]);
  assertMatch(stdout, /^Usage: aim dry-run \[MODEL\] \[FLAGS\] \[-- ENGINE ARGUMENTS\]$/m);
  assertMatch(
    stdout,
    /--precision PRECISION +precision that the profile must have \(one of auto, fp4, [^)]*AIM_PRECISION; default auto\)/s,
  );
  assertMatch(stdout, /^Examples:\n {2}# .*\n {2}aim dry-run /m);
});

Deno.test("colours are written to a pipe only if forced", async () => {
  const [plain, forced, never, forcedToo, neverEither] = await Promise.all([
    aim(["help"]),
    aim(["help"], { env: { CLICOLOR_FORCE: "1" } }),
    aim(["help"], { env: { CLICOLOR_FORCE: "1", NO_COLOR: "1" } }),
    aim(["help"], { env: { FORCE_COLOR: "1" } }),
    aim(["help"], { env: { FORCE_COLOR: "1", NO_COLOR: "1" } }),
  ]);
  // deno-lint-ignore no-control-regex
  const colours = /\x1b\[\d+m/g;
  assert(!colours.test(plain.stdout));
  assert(forced.stdout !== plain.stdout && forced.stdout.replaceAll(colours, "") === plain.stdout);
  assertEquals([never.stdout, neverEither.stdout], [plain.stdout, plain.stdout]);
  assertEquals(forcedToo.stdout, forced.stdout);
});

Deno.test("a report has aim's own colours, but shows control characters in file names as text", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const model = `${directory}/org/evil\x9b2J`;
    await Deno.mkdir(`${directory}/org/m`, { recursive: true });
    await Deno.writeTextFile(`${directory}/org/m/config.json`, "{}");
    await Deno.writeTextFile(`${directory}/org/m/\x1b[31mx\x9b.safetensors`, "");
    const env = { AIM_CACHE_PATH: directory, CLICOLOR_FORCE: "1" };
    for (const args of [["cache", "verify"], ["cache", "list"], ["resolve", "org/m"]]) {
      const { stdout } = await aim(args, { env });
      // deno-lint-ignore no-control-regex
      const plain = stdout.replaceAll(/\x1b\[\d+m/g, "");
      assert(plain !== stdout, "no colours");
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(plain), JSON.stringify(plain));
    }
    const { stderr } = await aim(["resolve", `org/${model}`], { env });
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(stderr), JSON.stringify(stderr));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a name with aim's internal colour characters is unchanged in JSON", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${directory}/org/\ufdd0m\ufdd6`, { recursive: true });
    await Deno.writeTextFile(`${directory}/org/\ufdd0m\ufdd6/config.json`, "{}");
    const env = { AIM_CACHE_PATH: directory, FORCE_COLOR: "1" };
    const { stdout } = await aim(["cache", "list", "--json"], { env });
    assertEquals(JSON.parse(stdout).folders[0].name, "org/\ufdd0m\ufdd6");
    const text = await aim(["cache", "verify", "--progress", "json"], { env: { AIM_CACHE_PATH: directory } });
    assert(!/[\ufdd0-\ufdd6]/.test(text.stdout), "the text contains colour characters");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("aim's messages are ASCII, so that they work in every locale", () => {
  const wrong: string[] = [];
  const walk = (folder: URL) => {
    for (const entry of Deno.readDirSync(folder)) {
      if (entry.isDirectory) walk(new URL(`${entry.name}/`, folder));
      else if (/(?<!generated)\.ts$/.test(entry.name)) {
        const text = Deno.readTextFileSync(new URL(entry.name, folder));
        const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
        // Lines with ® or ™ compare names and print nothing.
        for (const line of code.split("\n")) {
          // deno-lint-ignore no-control-regex
          if (/[^\x00-\x7f]/.test(line) && !/[®™]/.test(line)) wrong.push(`${entry.name}: ${line.trim()}`);
        }
      }
    }
  };
  walk(new URL("../../src/", import.meta.url));
  assertEquals(wrong, []);
});

Deno.test("if the cache is not writable, the hint suggests other paths", () => {
  for (const code of [13, 1]) {
    const denied = new Error(`Permission denied (os error ${code})`);
    const { exitCode, hint } = errorFrom(denied, "making /workspace/model-cache");
    assertEquals(exitCode, 7);
    assertStringIncludes(hint ?? "", "AIM_CACHE_PATH=$HOME/.cache/aim, or below /var/tmp");
  }
  const closed = errorFrom(new Error('Requires all access to "/dev/shm/x"'), "reading /dev/shm/x");
  assertEquals([closed.kind, closed.hint?.includes("AIM_CACHE_PATH")], ["no-space", true]);
});

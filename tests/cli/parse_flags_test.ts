import { assertEquals, assertThrows } from "@std/assert";
import { command } from "../../src/cli/command.ts";
import { parseFlags } from "../../src/cli/parse_flags.ts";
import { AimError } from "../../src/errors/aim_error.ts";

const OF_ALL = {
  summary: "",
  settings: ["modelId", "modelName", "offline", "port"],
  flags: {
    "-f|--format text|json": "",
    "--include GLOB...": "",
    "--revision REV": "",
    "--force": "",
    "--no-verify": "",
    "--tag TAG=latest": "",
  },
  run() {},
} as const;
const COMMAND = command({ ...OF_ALL, usage: "try [MODEL]" });
const parse = (...argv: string[]) => parseFlags(COMMAND, argv);
const DEFAULTS = {
  format: "text",
  include: [],
  revision: undefined,
  force: false,
  "no-verify": false,
  tag: "latest",
  quiet: false,
};
const NONE = { engineWords: [] };

Deno.test("flags take their value after a space or an equals sign, in any order with positionals", () => {
  const expected = { settings: { modelId: "a/b", port: "80" }, flags: DEFAULTS, args: ["m"], ...NONE };
  assertEquals(parse("--model", "a/b", "m", "--port=80"), expected);
  assertEquals(parse("m", "--port", "80", "--model=a/b"), expected);
});

Deno.test("a value may contain equals signs, spaces and a leading number sign, and a leading dash after an equals sign", () => {
  assertEquals(parse("--revision=a=b").flags.revision, "a=b");
  assertEquals(parse("--revision", "a b").flags.revision, "a b");
  assertEquals(parse("--revision=-x").flags.revision, "-x");
  assertEquals(parse("--port", "-1").settings.port, "-1");
});

Deno.test("a boolean flag is true when given, false with no-, and takes a value after an equals sign", () => {
  assertEquals(parse("--force").flags.force, true);
  assertEquals(parse("--no-force").flags.force, false);
  assertEquals(parse("--force=false").flags.force, false);
  assertEquals(parse("--no-verify").flags["no-verify"], true);
  assertEquals(parse("--offline").settings.offline, "true");
  assertEquals(parse("--no-offline").settings.offline, "false");
  assertEquals(parse("--offline=0").settings.offline, "false");
});

Deno.test("a boolean setting also takes a boolean word after a space, a command's own boolean flag does not", () => {
  assertEquals(parse("--offline", "false").settings.offline, "false");
  assertEquals(parse("--offline", "m"), {
    settings: { offline: "true" },
    flags: DEFAULTS,
    args: ["m"],
    ...NONE,
  });
  assertEquals(parse("--force", "false").args, ["false"]);
});

Deno.test("a list flag collects its values; aliases and short flags are the same flag", () => {
  assertEquals(parse("--include", "*.json", "--include=*.txt").flags.include, ["*.json", "*.txt"]);
  assertEquals(parse("--custom-model-name", "o/m").settings.modelName, "o/m");
  assertEquals(parse("-f", "json").flags.format, "json");
});

Deno.test("everything after two dashes is positional", () => {
  assertEquals(parse("--", "--force").args, ["--force"]);
});

Deno.test("every command takes the log settings", () => {
  assertEquals(parse("--log-level", "DEBUG", "--log-format=json").settings, {
    logLevel: "DEBUG",
    logFormat: "json",
  });
});

Deno.test("each wrong flag is refused with its own message", () => {
  const cases: [string[], string][] = [
    [["--modle", "x"], "unknown flag --modle; did you mean --model?"],
    [["--wat"], "unknown flag --wat; see aim help try"],
    [["-x"], "unknown flag -x; see aim help try"],
    [["--precision", "fp8"], "aim try takes no --precision; see aim help try"],
    [["--model"], "--model needs a value; write --model VALUE"],
    [
      ["--model", "--port", "80"],
      "--model needs a value; write --model=VALUE if the value begins with a dash",
    ],
    [["--port", "1", "--port", "2"], "--port is given twice; give it once"],
    [["--model-name", "a", "--custom-model-name", "b"], "--model-name is given twice; give it once"],
    [["--format", "jsn"], '--format is "jsn"; use one of text, json (did you mean json?)'],
    [["--force=maybe"], '--force is "maybe"; use --force or --force=false'],
    [["--no-force=true"], '--no-force is "true"; use --no-force without a value'],
    [["a", "b"], 'unexpected argument "b"; see aim help try'],
    [[""], "an argument is empty; see aim help try"],
  ];
  for (const [argv, line] of cases) {
    const error = assertThrows(() => parse(...argv), AimError);
    assertEquals([error.line, error.exitCode], [line, 2]);
  }
});

Deno.test("a missing required positional is named", () => {
  const copy = command({ ...OF_ALL, usage: "copy URI [DEST]" });
  const error = assertThrows(() => parseFlags(copy, []), AimError);
  assertEquals(error.line, "aim copy needs URI; see aim help copy");
  assertEquals(parseFlags(copy, ["u", "d"]).args, ["u", "d"]);
});

Deno.test("--json is --format json; -q is quiet and logs only warnings unless a level is given", () => {
  assertEquals(parse("--json").flags.format, "json");
  assertThrows(() => parse("--json", "--format", "text"), AimError, "--format is given twice");
  assertEquals([parse("-q").flags.quiet, parse("-q").settings], [true, { logLevel: "WARNING" }]);
  assertEquals(parse("--quiet", "--log-level", "DEBUG").settings.logLevel, "DEBUG");
});

const SERVE = command({ ...OF_ALL, usage: "serve [MODEL]", model: "served", takesEngineWords: true });
const FETCH = command({ ...OF_ALL, usage: "fetch URI [DEST]", model: "source" });

Deno.test("in commands that serve, MODEL, --model-id and --model are equivalent; conflicting values are refused", () => {
  for (const words of [["a/b"], ["--model", "a/b"], ["--model-id", "a/b"], ["a/b", "--model", "a/b"]]) {
    assertEquals(parseFlags(SERVE, words).settings.modelId, "a/b");
  }
  for (
    const words of [["a/b", "--model", "c/d"], ["a/b", "--model-id=c/d"], [
      "--model",
      "a/b",
      "--model-id",
      "c/d",
    ]]
  ) {
    const error = assertThrows(() => parseFlags(SERVE, words), AimError);
    assertEquals([error.exitCode, error.line.includes("a/b"), error.line.includes("c/d")], [2, true, true]);
  }
});

Deno.test("in commands that download, MODEL is --model-id, and --model still selects the profile", () => {
  const download = command({ ...OF_ALL, usage: "download-to-cache [MODEL]", model: "source" });
  assertEquals(parseFlags(download, ["a/b"]).args, ["a/b"]);
  assertEquals(parseFlags(download, ["--model-id", "a/b"]).args, ["a/b"]);
  const { args, settings } = parseFlags(download, ["--model", "a/b"]);
  assertEquals([args, settings.modelId], [[], "a/b"]);
  const error = assertThrows(() => parseFlags(download, ["a/b", "--model", "c/d"]), AimError);
  assertEquals([error.exitCode, /profile/.test(error.line), /exactly/.test(error.line)], [2, true, true]);
  assertEquals(parseFlags(FETCH, ["a/b", "to"]).args, ["a/b", "to"]);
  assertEquals(parseFlags(FETCH, ["--model-id", "a/b", "to"]).args, ["a/b", "to"]);
  assertEquals(parseFlags(FETCH, ["--model-id", "a/b", "a/b", "to"]).args, ["a/b", "to"]);
  assertEquals(parseFlags(FETCH, ["--model-id", "a/b"]).args, ["a/b"]);
});

Deno.test("words after two dashes go to the engine in commands that serve", () => {
  const { engineWords, args } = parseFlags(SERVE, ["a/b", "--", "--max-model-len", "8"]);
  assertEquals([engineWords, args], [["--max-model-len", "8"], ["a/b"]]);
  const error = assertThrows(() => parseFlags(SERVE, ["--max-model-len", "8"]), AimError);
  assertEquals([error.exitCode, error.line.includes("-- --max-model-len")], [2, true]);
});

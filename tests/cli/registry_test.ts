import { assertEquals, assertThrows } from "@std/assert";
import { findCommand } from "../../src/cli/registry.ts";
import { AimError } from "../../src/errors/aim_error.ts";

type Call = ReturnType<typeof findCommand>;
const find = (line: string): Call => findCommand(line.split(" ").filter((w) => w !== ""));
const command = (name: string, rest = ""): Call => ({
  name,
  rest: rest.split(" ").filter((w) => w !== ""),
});

Deno.test("the command is the first word that is neither a flag nor a flag's value", () => {
  const cases: [string, Call][] = [
    ["", command("serve")],
    ["--port 80", command("serve", "--port 80")],
    ["dry-run", command("dry-run")],
    ["dry-run --format json", command("dry-run", "--format json")],
    ["--model gpus dry-run", command("dry-run", "--model gpus")],
    ["--model=x dry-run --port 1", command("dry-run", "--model=x --port 1")],
    ["--offline dry-run", command("dry-run", "--offline")],
    ["--custom-model-name serve resolve", command("resolve", "--custom-model-name serve")],
    ["--format json dry-run", command("dry-run", "--format json")],
    ["--verbose gpus", command("gpus", "--verbose")],
    ["resolve gpus", command("resolve", "gpus")],
    ["cache verify", command("cache verify")],
    ["cache --yes verify a/b", command("cache verify", "--yes a/b")],
    ["--cache-path /c cache list", command("cache list", "--cache-path /c")],
    ["profiles validate a.yaml", command("profiles validate", "a.yaml")],
    ["serve -- gpus", command("serve", "-- gpus")],
    ["-- gpus", command("serve", "-- gpus")],
    ["help cache verify", command("help", "cache verify")],
  ];
  for (const [line, call] of cases) assertEquals(find(line), call, line);
});

Deno.test("help and version flags are found at any position; help has precedence", () => {
  const cases: [string, Call][] = [
    ["--help", command("help")],
    ["-h", command("help")],
    ["--port 80 -h", command("help")],
    ["dry-run --format nonsense -h", command("help", "dry-run")],
    ["cache --help", command("help", "cache")],
    ["cache verify -h", command("help", "cache verify")],
    ["--version", command("version")],
    ["dry-run --version", command("version")],
    ["--version --help", command("help")],
    ["resolve -- --help", command("resolve", "-- --help")],
  ];
  for (const [line, call] of cases) assertEquals(find(line), call, line);
});

const CACHE = "use aim cache list, aim cache verify, aim cache pin, aim cache remove, aim cache prune";

Deno.test("an unknown command is refused with the nearest one", () => {
  const cases: [string, string][] = [
    ["dry-rn", 'unknown command "dry-rn"; did you mean aim dry-run?'],
    ["gpu --format json", 'unknown command "gpu"; did you mean aim gpus?'],
    ["--model x sevre", 'unknown command "sevre"; did you mean aim serve?'],
    ["frobnicate", 'unknown command "frobnicate"; see aim help'],
    ["frobnicate gpus", 'unknown command "frobnicate"; see aim help'],
    ["cahce verify", 'unknown command "cahce"; did you mean aim cache?'],
    ["profiles", "aim profiles needs a subcommand; use aim profiles validate"],
    ["cache", `aim cache needs a subcommand; ${CACHE}`],
    ["cache verfy", 'unknown command "cache verfy"; did you mean aim cache verify?'],
    ["cache frob", `unknown command "cache frob"; ${CACHE}`],
  ];
  for (const [line, message] of cases) {
    const error = assertThrows(() => find(line), AimError);
    assertEquals([error.line, error.exitCode], [message, 2]);
  }
});

Deno.test("command aliases work and are suggested; -V and version print the version", () => {
  const cases: [string, Call][] = [
    ["pull a/b", command("download-to-cache", "a/b")],
    ["ls --yes", command("cache list", "--yes")],
    ["list", command("cache list")],
    ["cache ls", command("cache list")],
    ["list profiles -v", command("list-profiles", "-v")],
    ["pull --help", command("help", "download-to-cache")],
    ["-V", command("version")],
    ["version", command("version")],
    ["version --json", command("version")],
    ["-q pull a/b", command("download-to-cache", "-q a/b")],
    ["org/model --port 80", command("serve", "org/model --port 80")],
    ["s3://b/p", command("serve", "s3://b/p")],
  ];
  for (const [line, call] of cases) assertEquals(find(line), call, line);
  for (
    const [line, meant] of [["pul", "aim download-to-cache"], ["cache lst", "aim cache list"], [
      "-q gpuss",
      "aim gpus",
    ]] as const
  ) {
    const error = assertThrows(() => find(line), AimError);
    assertEquals([error.exitCode, error.hint?.includes(meant)], [2, true], line);
  }
});

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { mergeEngineArgs, renderArgs, renderPairs } from "../../src/engine/engine_args.ts";
import { argsOf } from "./args_of.ts";
import { pythonJson } from "../../src/values/write_json.ts";
import { resolveConfig } from "../../src/config/resolve_config.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import type { ConfigMap } from "../../src/values/value.ts";

const system = { port: 8000, servedModelNames: ["org/model"], models: ["org/model", "/cache/org/model"] };
const profile = (text: string) => ({ kind: "profile" as const, name: "profile p", args: argsOf(text) });
const user = (text: string) => ({ kind: "user" as const, name: "AIM_ENGINE_ARGS", args: argsOf(text) });
const merge = (own: string, users: string, longName?: (name: string) => string | null) =>
  mergeEngineArgs([profile(own), user(users)], system, longName);
const names = (args: ConfigMap) => [...args.keys()].join(" ");
const render = (text: string) => renderArgs(argsOf(text)).join("|");

Deno.test("an overridden argument keeps its position; a new one is appended", () => {
  const merged = merge('{"b": 1, "a": 2, "c": 3}', '{"z": 4, "a": 5}').args;
  assertEquals(
    renderArgs(merged).join(" "),
    "--b 1 --a 5 --c 3 --z 4 --port 8000 --served-model-name org/model",
  );
});

Deno.test("aim's own arguments override others at the position where they were first given", () => {
  const { args, warnings } = merge(
    '{"port": 1, "x": 1}',
    '{"served-model-name": "other", "port": 9, "y": 2}',
  );
  assertEquals(renderArgs(args).join(" "), "--port 8000 --x 1 --served-model-name org/model other --y 2");
  assertEquals(warnings.length, 2);
  for (const warning of warnings) assertStringIncludes(warning, "AIM_PORT");
});

Deno.test("served names of profile and user are added after aim's own without duplicates, in either spelling", () => {
  const { args } = merge('{"served-model-name": ["a", "org/model"]}', '{"served_model_name": "b"}');
  assertEquals(renderArgs(args).join(" "), "--served-model-name org/model a b --port 8000");
});

Deno.test("spellings with _ or -, capitals or a short name are one argument; the last wins, with a warning within one source", () => {
  const long = (name: string) => name === "tp" ? "tensor-parallel-size" : null;
  const one = merge('{"a_b": 1, "tensor_parallel_size": 1}', '{"a-b": 2, "tp": 4}', long);
  assertEquals(renderArgs(one.args).slice(0, 4), ["--a-b", "2", "--tensor-parallel-size", "4"]);
  assertEquals(one.warnings, []);
  const two = merge('{"a_b": 1, "A-B": 3, "no-enable-x": null, "no_enable_x": false}', "{}");
  assertEquals(renderArgs(two.args).slice(0, 2), ["--a-b", "3"]);
  assertEquals(two.warnings.length, 2);
});

Deno.test("_ equals - only before the first dot", () => {
  const { args } = merge('{"Compilation_Config.cudagraph_mode": 1, "O": 3, "O3": null, "O.mode": 1}', "{}");
  assertEquals([...args.keys()].slice(0, 4), ["compilation-config.cudagraph_mode", "O", "O3", "O.mode"]);
  assertEquals(renderArgs(argsOf('{"O": 3, "O2": null, "O.mode": 1}')), ["-O3", "-O2", "-O.mode", "1"]);
});

Deno.test("BentoML gets each argument as --arg NAME=VALUE, with True for a bare flag", () => {
  assertEquals(renderPairs(argsOf('{"a": 1, "b": null, "c": false, "d": {"e": 2.0}}')), [
    ...["--arg", "a=1", "--arg", "b=True", "--arg", 'd={"e": 2.0}'],
  ]);
});

Deno.test("null and true are a bare flag, false is omitted, and a list has its flag once", () => {
  assertEquals(
    render('{"a": null, "b": true, "c": false, "d": [1, "x", 2.50], "e": "v"}'),
    "--a|--b|--d|1|x|2.50|--e|v",
  );
});

Deno.test("false removes a flag of the profile", () => {
  const merged = merge('{"enable-x": null, "b": 1}', '{"enable-x": false}').args;
  assertEquals(renderArgs(merged).slice(0, 2), ["--b", "1"]);
});

Deno.test("an object is written as JSON the way Python does", () => {
  assertEquals(
    render('{"rope-scaling": {"type":"yarn","factor":2.0,"n":[1,2.50,null,true],"ü":"\\u007f😀\\n\\"/"}}'),
    '--rope-scaling|{"type": "yarn", "factor": 2.0, "n": [1, 2.50, null, true], "\\u00fc": "\\u007f\\ud83d\\ude00\\n\\"/"}',
  );
  assertEquals(render('{"a": {}, "b": [{"k": [ ]}, "x"]}'), '--a|{}|--b|{"k": []}|x');
});

Deno.test("numbers keep their spelling, even beyond the precision of a double", () => {
  assertEquals(
    render('{"a": 2.0, "b": 1e3, "c": 0.10, "d": 12345678901234567890, "e": -0.0, "f": 1E+05}'),
    "--a|2.0|--b|1e3|--c|0.10|--d|12345678901234567890|--e|-0.0|--f|1E+05",
  );
});

Deno.test("keys keep the order of the text", () => {
  assertEquals(names(argsOf('{"b": 1, "a": {"z": 1, "y": 2}, "0b": 3}')), "b a 0b");
  assertEquals(pythonJson(argsOf('{"z": 1, "a": 2, "__proto__": 3}')), '{"z": 1, "a": 2, "__proto__": 3}');
});

const REFUSED = [
  ["{", "JSON"],
  ["{'a': 1}", "JSON"],
  ['{"a": NaN}', "JSON"],
  ["[]", "this is a list"],
  ["3", "this is a single value"],
  ["null", "this is a single value"],
  ['"{}"', "this is a single value"],
  [`{"a": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "more than 64 levels deep"],
] as const;

Deno.test("anything but one JSON object is refused with the name of the setting", () => {
  for (const [text, what] of REFUSED) {
    const error = assertThrows(() => argsOf(text), AimError);
    assertStringIncludes(error.line, "AIM_ENGINE_ARGS");
    assertStringIncludes(error.line, what);
    assertEquals(error.exitCode, 2);
  }
  const error = assertThrows(() => resolveConfig({ flags: { engineArgs: "[]" }, env: {} }), AimError);
  assertStringIncludes(error.line, "--engine-args");
});

Deno.test("white space in the JSON is ignored", () => {
  assertEquals(render(' \n{ "a" :\t[ 1 ,\r\n2 ] , "b" : { } } '), "--a|1|2|--b|{}");
});

Deno.test("the user cannot set the model in the arguments; a profile can set only the loaded one", () => {
  for (const model of ["org/other", "org/model"]) {
    const error = assertThrows(() => merge("{}", `{"model": "${model}"}`), AimError);
    assertStringIncludes(error.line, "AIM_MODEL_ID");
    assertEquals(error.exitCode, 2);
  }
  assertEquals(assertThrows(() => merge('{"model": 3}', "{}"), AimError).exitCode, 2);
  assertEquals(names(merge('{"x": 1, "model": "org/model"}', "{}").args), "x port served-model-name");
});

Deno.test("the served names are the model's id, then AIM_ID if it differs", () => {
  const served = (...servedModelNames: string[]) =>
    mergeEngineArgs([], { ...system, servedModelNames }).args.get("served-model-name");
  assertEquals(served("a/b", "a/b"), "a/b");
  assertEquals(served("a/b-FP8", "a/b"), ["a/b-FP8", "a/b"]);
});

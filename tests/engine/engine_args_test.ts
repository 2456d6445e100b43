import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { mergeEngineArgs, renderArgs, servedModelNames } from "../../src/engine/engine_args.ts";
import { parseEngineArgsJson } from "../../src/engine/parse_engine_args_json.ts";
import { pythonJson } from "../../src/values/write_json.ts";
import { validateEngineArgs } from "../../src/engine/validate_engine_args.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import type { ConfigMap } from "../../src/values/value.ts";

const json = parseEngineArgsJson;
const system = { port: 8000, servedModelNames: ["org/model"], models: ["org/model", "/cache/org/model"] };
const names = (args: ConfigMap) => [...args.keys()].join(" ");
const render = (text: string) => renderArgs(json(text)).join("|");

Deno.test("an argument that is replaced keeps its place, a new one goes to the end", () => {
  const merged = mergeEngineArgs(json('{"b": 1, "a": 2, "c": 3}'), json('{"z": 4, "a": 5}'), system);
  assertEquals(
    renderArgs(merged).join(" "),
    "--b 1 --a 5 --c 3 --z 4 --port 8000 --served-model-name org/model",
  );
});

Deno.test("aim's own arguments win, in the place where they were first named", () => {
  const merged = mergeEngineArgs(
    json('{"port": 1, "x": 1}'),
    json('{"served-model-name": "other", "port": 9, "y": 2}'),
    system,
  );
  assertEquals(renderArgs(merged).join(" "), "--port 8000 --x 1 --served-model-name org/model --y 2");
});

Deno.test("another spelling of one of aim's own arguments does not get past it", () => {
  const merged = mergeEngineArgs(
    json('{"served-model-name": "a"}'),
    json('{"served_model_name": "b"}'),
    system,
  );
  assertEquals(renderArgs(merged), ["--served-model-name", "org/model", "--port", "8000"]);
});

Deno.test("both spellings of any other argument stay, as they would in a Python dict", () => {
  const merged = mergeEngineArgs(json('{"a_b": 1}'), json('{"a-b": 2}'), system);
  assertEquals(names(merged), "a_b a-b port served-model-name");
});

Deno.test("null and true are the bare flag, false is left out, a list gives its flag once", () => {
  assertEquals(
    render('{"a": null, "b": true, "c": false, "d": [1, "x", 2.50], "e": "v"}'),
    "--a|--b|--d|1|x|2.50|--e|v",
  );
});

Deno.test("false takes a flag of the profile away", () => {
  const merged = mergeEngineArgs(json('{"enable-x": null, "b": 1}'), json('{"enable-x": false}'), system);
  assertEquals(renderArgs(merged).slice(0, 2), ["--b", "1"]);
});

Deno.test("an object becomes JSON as Python writes it", () => {
  assertEquals(
    render('{"rope-scaling": {"type":"yarn","factor":2.0,"n":[1,2.50,null,true],"ü":"\\u007f😀\\n\\"/"}}'),
    '--rope-scaling|{"type": "yarn", "factor": 2.0, "n": [1, 2.50, null, true], "\\u00fc": "\\u007f\\ud83d\\ude00\\n\\"/"}',
  );
  assertEquals(render('{"a": {}, "b": [{"k": [ ]}, "x"]}'), '--a|{}|--b|{"k": []}|x');
});

Deno.test("numbers keep their spelling, beyond what a double holds too", () => {
  assertEquals(
    render('{"a": 2.0, "b": 1e3, "c": 0.10, "d": 12345678901234567890, "e": -0.0, "f": 1E+05}'),
    "--a|2.0|--b|1e3|--c|0.10|--d|12345678901234567890|--e|-0.0|--f|1E+05",
  );
});

Deno.test("keys keep the order of the text", () => {
  assertEquals(names(json('{"b": 1, "a": {"z": 1, "y": 2}, "0b": 3}')), "b a 0b");
  assertEquals(pythonJson(json('{"z": 1, "a": 2, "__proto__": 3}')), '{"z": 1, "a": 2, "__proto__": 3}');
});

const REFUSED = [
  ["", "not usable JSON"],
  ["{", "not usable JSON"],
  ["{'a': 1}", "not usable JSON"],
  ['{"a": NaN}', "not usable JSON"],
  ["[]", "a list, not an object"],
  ["3", "3, not an object"],
  ["null", "null, not an object"],
  ['"{}"', "not an object"],
  ['{"a": 1, "b": 2, "a": 3}', '"a" twice'],
  ['{"a": "\\"a\\": 1", "b": {"a": 1}, "b": 2}', '"b" twice'],
  ['{"o": {"a": 1, "\\u0061": 3}}', '"a" twice'],
  [`{"a": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "AIM_ENGINE_ARGS"],
] as const;

Deno.test("what is not one JSON object is refused by the name of its setting", () => {
  for (const [text, what] of REFUSED) {
    const error = assertThrows(() => json(text), AimError, what);
    assertStringIncludes(error.line, "AIM_ENGINE_ARGS");
    assertEquals(error.exitCode, 2);
  }
  assertStringIncludes(
    assertThrows(() => json("[]", { name: "--engine-args" }), AimError).line,
    "--engine-args",
  );
});

Deno.test("white space anywhere in the JSON does not matter", () => {
  assertEquals(render(' \n{ "a" :\t[ 1 ,\r\n2 ] , "b" : { } } '), "--a|1|2|--b|{}");
});

Deno.test("the model cannot be named against the resolved one", () => {
  const error = assertThrows(
    () => mergeEngineArgs(json("{}"), json('{"model": "org/other"}'), system),
    AimError,
  );
  assertStringIncludes(error.line, 'AIM_ENGINE_ARGS has "model": "org/other"');
  assertStringIncludes(error.line, "AIM_MODEL_ID");
  assertEquals(error.exitCode, 2);
  const inProfile = assertThrows(() => mergeEngineArgs(json('{"model": 3}'), null, system), AimError);
  assertStringIncludes(inProfile.line, "the profile's engine_args");
});

Deno.test("the model named again is not said twice, or a cached copy would be passed over", () => {
  const merged = mergeEngineArgs(json('{"x": 1}'), json('{"model": "org/model"}'), system);
  assertEquals(names(merged), "x port served-model-name");
});

Deno.test("the served names are the model's id, then AIM_ID where it differs", () => {
  assertEquals(servedModelNames({ modelId: "a/b", aimId: null }), ["a/b"]);
  assertEquals(servedModelNames({ modelId: "a/b", aimId: "a/b" }), ["a/b"]);
  assertEquals(servedModelNames({ modelId: "q/b", aimId: "a/b" }), ["q/b", "a/b"]);
});

const ALLOWED = [
  '{"max-model-len": 4096, "max_num_seqs": null, "gpu-memory-utilization": 1}',
  '{"unheard-of": {"a": [1]}, "no-enable-prefix-caching": false, "enable-prefix-caching": true}',
  '{"rope-scaling": {"factor": 2.0}, "served-model-name": ["a", "b"], "cuda-graph-sizes": [1, "x"]}',
  '{"block-size": 16, "task": null, "quantization": "fp8"}',
];

Deno.test("arguments of the documented types pass, unknown ones too", () => {
  for (const text of ALLOWED) validateEngineArgs(json(text));
});

const WRONG = [
  ['{"max-model-len": "4096"}', 'max-model-len is "4096"; it must be a whole number or null'],
  ['{"max_model_len": 1.5}', "max_model_len is 1.5"],
  ['{"max-model-len": 1, "max_model_len": "x"}', 'max_model_len is "x"'],
  ['{"kv-cache-dtype": "fp9"}', 'kv-cache-dtype is "fp9"; it must be one of auto, fp8'],
  ['{"rope-scaling": "{}"}', "rope-scaling"],
  ['{"enable-prefix-caching": 1}', "must be true or false or null"],
  ['{"no-enable-sleep-mode": "yes"}', 'no-enable-sleep-mode is "yes"'],
  ['{"served-model-name": 7}', "served-model-name is 7"],
  ['{"block-size": 17}', "block-size is 17"],
] as const;

Deno.test("an argument of another type is refused with its path and value", () => {
  for (const [text, what] of WRONG) {
    const userArgs = json(text);
    const error = assertThrows(() => validateEngineArgs(userArgs, { userArgs }), AimError, what);
    assertStringIncludes(error.line, "correct AIM_ENGINE_ARGS");
    assertEquals(error.exitCode, 2);
    assertStringIncludes(
      assertThrows(() => validateEngineArgs(userArgs), AimError).line,
      "correct the profile",
    );
  }
});

Deno.test("arguments of another engine are not held to vLLM's types", () => {
  validateEngineArgs(json('{"max-model-len": "x"}'), { engine: "sglang" });
});

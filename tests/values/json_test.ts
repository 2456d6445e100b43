import { assertEquals, assertThrows } from "@std/assert";
import { readJson } from "../../src/values/read_json.ts";
import { numberLiteral } from "../../src/values/value.ts";
import { jsonValue, pythonJson } from "../../src/values/write_json.ts";

Deno.test("reading and writing JSON keeps the spelling of numbers", () => {
  const text = '{"a":2.0,"b":[1e3,12345678901234567890,-0.0],"c":{"d":null,"e":"1.0"},"__proto__":true}';
  const value = readJson(text);
  assertEquals(JSON.stringify(jsonValue(value)), text);
  assertEquals(
    pythonJson(value),
    '{"a": 2.0, "b": [1e3, 12345678901234567890, -0.0], "c": {"d": null, "e": "1.0"}, "__proto__": true}',
  );
});

Deno.test("numbers that JSON cannot express are written as in Python, or as null", () => {
  const value = [numberLiteral(0.5, ".5"), numberLiteral(Infinity, "inf"), numberLiteral(NaN, "nan")];
  assertEquals(pythonJson(value), "[0.5, Infinity, NaN]");
  assertEquals(JSON.stringify(jsonValue(value)), "[0.5,null,null]");
});

Deno.test("the last value of a duplicate key is used, and JSON nested more than 64 levels deep is refused", () => {
  assertEquals(pythonJson(readJson('{"b":{"a":1,"\\u0061":2}}')), '{"b": {"a": 2}}');
  assertThrows(() => readJson("[".repeat(5000) + "]".repeat(5000)), SyntaxError, "64 levels deep");
  assertEquals(pythonJson(readJson(`"${"[".repeat(100)}"`)), `"${"[".repeat(100)}"`);
});

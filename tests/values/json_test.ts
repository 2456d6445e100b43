import { assertEquals, assertThrows } from "@std/assert";
import { readJson } from "../../src/values/read_json.ts";
import { numberLiteral } from "../../src/values/value.ts";
import { jsonValue, pythonJson } from "../../src/values/write_json.ts";

Deno.test("JSON is read and written with numbers as they are spelled", () => {
  const text = '{"a":2.0,"b":[1e3,12345678901234567890,-0.0],"c":{"d":null,"e":"1.0"},"__proto__":true}';
  const value = readJson(text);
  assertEquals(JSON.stringify(jsonValue(value)), text);
  assertEquals(
    pythonJson(value),
    '{"a": 2.0, "b": [1e3, 12345678901234567890, -0.0], "c": {"d": null, "e": "1.0"}, "__proto__": true}',
  );
});

Deno.test("numbers that JSON cannot spell are written as Python writes them, or as null", () => {
  const value = [numberLiteral(0.5, ".5"), numberLiteral(Infinity, "inf"), numberLiteral(NaN, "nan")];
  assertEquals(pythonJson(value), "[0.5, Infinity, NaN]");
  assertEquals(JSON.stringify(jsonValue(value)), "[0.5,null,null]");
});

Deno.test("of a key that an object has twice the last value counts; what is nested beyond reason is refused", () => {
  assertEquals(pythonJson(readJson('{"b":{"a":1,"\\u0061":2}}')), '{"b": {"a": 2}}');
  assertThrows(() => readJson("[".repeat(5000) + "]".repeat(5000)), SyntaxError, "64 deep");
  assertEquals(pythonJson(readJson(`"${"[".repeat(100)}"`)), `"${"[".repeat(100)}"`);
});

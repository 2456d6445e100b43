import { assertEquals, assertThrows } from "@std/assert";
import { parseEngineWords } from "../../src/engine/parse_engine_words.ts";
import { renderArgs } from "../../src/engine/engine_args.ts";
import { AimError } from "../../src/errors/aim_error.ts";

Deno.test("words after -- become engine arguments as typed", () => {
  const cases: readonly (readonly [string[], string[]])[] = [
    [["--max-model-len", "8192"], ["--max-model-len", "8192"]],
    [["--gpu-memory-utilization=0.90"], ["--gpu-memory-utilization", "0.90"]],
    [["--enforce-eager", "--dtype", "auto"], ["--enforce-eager", "--dtype", "auto"]],
    [["--lora-modules", "a=x", "b=y"], ["--lora-modules", "a=x", "b=y"]],
    [["--rope-scaling", '{"factor": 2.0}'], ["--rope-scaling", '{"factor": 2.0}']],
    [["--seed", "-1"], ["--seed", "-1"]],
    [["--dtype", "half", "--dtype", "auto"], ["--dtype", "auto"]],
    [["--api-key="], ["--api-key", ""]],
  ];
  for (const [words, rendered] of cases) assertEquals(renderArgs(parseEngineWords(words)), rendered);
});

Deno.test("a word without a flag and an invalid JSON object are refused", () => {
  for (const words of [["8192"], ["--rope-scaling", "{factor}"]]) {
    assertEquals(assertThrows(() => parseEngineWords(words), AimError).exitCode, 2);
  }
});

import { assertEquals, assertRejects } from "@std/assert";
import { buildCommand } from "../../src/engine/engine_args.ts";
import { engineNamed, shellWords } from "../../src/engine/engines.ts";
import { argsOf } from "./args_of.ts";
import { AimError } from "../../src/errors/aim_error.ts";

const args = argsOf('{"port": 8000, "x": null}');

async function commandOf(name: string, configPath: string): Promise<string> {
  const engine = await engineNamed(name, configPath);
  return buildCommand({ ...engine, program: engine.launch[0] ?? "" }, "/m", args).join(" ");
}

Deno.test("each engine of AMD's runtime has its own launch command, model argument and argument style", async () => {
  assertEquals(
    await commandOf("vllm", "/none"),
    "python -m vllm.entrypoints.openai.api_server --model /m --port 8000 --x",
  );
  assertEquals(await commandOf("vllm_omni", "/none"), "vllm serve --omni --model /m --port 8000 --x");
  assertEquals(
    await commandOf("bentoml", "/none"),
    "python -m bentoml serve --working-dir /workspace/model --arg port=8000 --arg x=True",
  );
});

Deno.test("engines.yaml changes an engine and adds others; its unknown keys are ignored", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(
    `${folder}/engines.yaml`,
    `vllm:\n  launch: "python -m vllm.entrypoints.openai.api_server --uds '/run/a b'"\n  model_arg: ""\n  validator: x\n` +
      "sglang:\n  launch: python -m sglang.launch_server\n  model_arg: --model-path\n",
  );
  assertEquals(
    await commandOf("vllm", folder),
    "python -m vllm.entrypoints.openai.api_server --uds /run/a b --port 8000 --x",
  );
  assertEquals(
    await commandOf("sglang", folder),
    "python -m sglang.launch_server --model-path /m --port 8000 --x",
  );
  const unknown = await assertRejects(() => engineNamed("vlm", folder), AimError, "sglang");
  assertEquals(unknown.exitCode, 2);
  await Deno.writeTextFile(`${folder}/engines.yaml`, "vllm: 3\n");
  assertEquals((await assertRejects(() => engineNamed("vllm", folder), AimError)).exitCode, 2);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a launch command is split into words as a shell does", () => {
  assertEquals(shellWords(`a 'b c' "d \\"e" f\\ g h''i`), ["a", "b c", 'd "e', "f g", "hi"]);
});

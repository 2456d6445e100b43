import { assertEquals } from "@std/assert";
import { hideSecrets } from "../../src/engine/hide_secrets.ts";
import { renderArgs } from "../../src/engine/engine_args.ts";
import { renderBashScript } from "../../src/engine/bash_script.ts";
import { parallelSize } from "../../src/engine/parallel_size.ts";
import { argsOf } from "./args_of.ts";

const SIZES = [
  ['{"tensor-parallel-size": 4}', 4],
  ['{"tensor-parallel-size": 2, "pipeline-parallel-size": 2, "data-parallel-size": "2"}', 8],
  ['{"tensor-parallel-size": 2, "data-parallel-size": 4, "data-parallel-size-local": 2}', 4],
  ['{"data-parallel-size": 2}', 2],
  ["{}", null],
  ['{"tensor-parallel-size": 16, "distributed-executor-backend": "ray"}', null],
  ['{"tensor-parallel-size": 16, "nnodes": 2}', null],
] as const;

Deno.test("the number of GPUs is computed from all kinds of parallelism on this machine", () => {
  for (const [json, gpus] of SIZES) {
    assertEquals(parallelSize(argsOf(json))?.gpus ?? null, gpus, json);
  }
});

Deno.test("a script reads secrets from its environment, including nested ones", async () => {
  const args = argsOf(
    '{"api-key": ["sk-one", "sk-two"], "kv": {"url": "x", "password": "pw\'1"}, "c": "{\\"hf_token\\": \\"t-3\\"}", "max-tokens": 5}',
  );
  const env = { OPENAI_API_KEY: "ok-4", HOME: "/h", STORE: '{"password": "pw-5"}', EMPTY_TOKEN: "" };
  const { references, secrets: found, ...hidden } = hideSecrets(args, env);
  const script = renderBashScript({
    env: hidden.env,
    argv: ["printf", "%s\n", ...renderArgs(hidden.args)],
    references,
  });
  const secrets = ["sk-one", "sk-two", "pw'1", "t-3", "ok-4", "pw-5"];
  for (const secret of secrets) assertEquals(script.includes(secret), false, secret);
  assertEquals([...found].sort(), [...secrets].sort());
  const { stdout } = await new Deno.Command("bash", {
    args: ["-c", script],
    env: { API_KEY: "key", PASSWORD: "pass", HF_TOKEN: "token" },
  }).output();
  assertEquals(
    new TextDecoder().decode(stdout),
    '--api-key\nkey\n--kv\n{"url": "x", "password": "pass"}\n--c\n{"hf_token": "token"}\n--max-tokens\n5\n',
  );
});

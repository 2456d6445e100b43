import { assert, assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { makeModel } from "../fixtures/model/make_model.ts";
import { NO_REGISTRY, skopeo, startRegistry } from "../oci/docker_registry.ts";
import { serving } from "./serving.ts";
import { vllmEnv } from "./vllm_env.ts";

const MODEL = "example/tiny-llama";

const found = await vllmEnv();
const skip = typeof found === "string" ? NO_REGISTRY : found.skip;

Deno.test({
  name: `vLLM serves a model that was exported and copied to a registry${
    skip === null ? "" : ` (skipped: ${skip})`
  }`,
  ignore: skip !== null,
  fn: async () => {
    const python = typeof found === "string" ? found : "";
    const directory = await Deno.makeTempDir();
    await Deno.mkdir(`${directory}/origin/${MODEL}`, { recursive: true });
    for (const [path, bytes] of Object.entries(makeModel())) {
      await Deno.writeFile(`${directory}/origin/${MODEL}/${path}`, bytes);
    }
    const exported = await aim(["export", MODEL, `${directory}/layout`, "--oci-layout"], {
      env: { AIM_CACHE_PATH: `${directory}/origin` },
    });
    assertEquals(exported.code, 0, exported.stderr);
    await using registry = await startRegistry();
    const target = `${registry.host}/${MODEL}:v1`;
    await skopeo(
      "copy",
      "-q",
      "--dest-tls-verify=false",
      `oci:${directory}/layout:latest`,
      `docker://${target}`,
    );
    const env = { AIM_CACHE_PATH: `${directory}/cache`, AIM_OCI_INSECURE: registry.host };
    await using server = await serving(
      python,
      [`oci://${target}`, "--", "--enforce-eager", "--host", "127.0.0.1"],
      env,
    );
    const models = await (await fetch(`${server.url}/v1/models`)).json();
    assertEquals(models.data.map((model: { id: string }) => model.id), [MODEL]);
    const answer = await fetch(`${server.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: MODEL, prompt: "Once upon a time", max_tokens: 8, temperature: 0 }),
    });
    const { choices, usage } = await answer.json();
    assertEquals(usage.completion_tokens, 8);
    assert(choices[0].text.length > 0);
    assertEquals((await server.stop()).code, 0);
    await Deno.remove(directory, { recursive: true });
  },
});

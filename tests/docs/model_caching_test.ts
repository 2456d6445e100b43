// Runs every command of AIM's page on model caching, with aim instead of the container. The page is in the
// folder AIM_TEST_REFERENCE, or else beside the project.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { EXIT_CODES } from "../../src/errors/exit_codes.ts";
import { aim } from "../cli/aim.ts";
import { startWorld } from "../cli/world.ts";
import { blocksOf, type Machine, makeMachine } from "./documents.ts";

const FOLDER = Deno.env.get("AIM_TEST_REFERENCE") ??
  new URL("../../../shared/reference", import.meta.url).pathname;
const TOKEN = "hf_allowedtoken0001";
const PAGE = `${FOLDER}/model-caching.md`;
const text = await Deno.readTextFile(PAGE).catch(() => null);

Deno.test({
  name: `every command of the page on model caching does what the page says${
    text === null ? ` (skipped: no ${PAGE})` : ""
  }`,
  ignore: text === null,
  async fn(t) {
    await using world = await startWorld(TOKEN);
    const machine = await makeMachine(world);
    await profileOfMistral(machine);
    let arrows = 0;
    for (const { language, text: block, line } of blocksOf(text ?? "")) {
      // Requests to a running engine do not involve aim.
      if (language !== "bash" || block.startsWith("curl")) continue;
      await t.step(`line ${line}: ${block.split("\n")[0]}`, async () => {
        const { code, output } = await machine.run(prepared(block));
        // Without a GPU, a dry run exits with the code for a missing profile.
        const gpuless = block.includes(" dry-run") && !block.includes("--device");
        assertEquals(code, gpuless ? EXIT_CODES["no-profile"].code : 0, `${block}\n${output}`);
        for (const path of placesNamed(block)) {
          arrows++;
          assert((await Deno.stat(`${machine.directory}/outside${path}`)).isDirectory, path);
        }
        if (block.includes(" dry-run")) assertStringIncludes(output, "--model ");
      });
    }
    assertEquals(arrows, 7);
  },
});

/** A model whose profile loads a quantised model, as in the page's text. */
const QUANTISED = {
  AIM_MODEL_ID: "meta-llama/Llama-3.1-8B-Instruct",
  AIM_GPU_COUNT: "1",
  AIM_PRECISION: "fp8",
};
const LOADED = "amd/Llama-3.1-8B-Instruct-FP8-KV";

Deno.test("clients use the model's own name even if its profile loads a quantised model", async () => {
  await using world = await startWorld();
  const env = { ...world.env, ...QUANTISED, AIM_GPU_MODEL: "MI300X" };
  assertEquals((await aim(["download-to-cache"], { env })).code, 0);
  const [{ command, models }] = JSON.parse((await aim(["dry-run", "--json"], { env })).stdout);
  assertEquals(models[0].name, LOADED);
  const names = command.slice(command.indexOf("--served-model-name") + 1);
  assert(names.includes(QUANTISED.AIM_MODEL_ID), names.join(" "));
});

Deno.test("in a dry run, --model is the local directory, or the model's name if it is in the Hugging Face cache", async () => {
  await using world = await startWorld();
  const env = { ...world.env, ...QUANTISED, AIM_GPU_MODEL: "MI300X" };
  const model = async () => {
    const [{ command }] = JSON.parse((await aim(["dry-run", "--json"], { env })).stdout);
    return command[command.indexOf("--model") + 1];
  };
  assertEquals((await aim(["download-to-cache", "--use-hf-cache"], { env })).code, 0);
  assertEquals(await model(), LOADED);
  assertEquals((await aim(["download-to-cache"], { env })).code, 0);
  assertEquals(await model(), `${world.directory}/cache/${LOADED}`);
});

Deno.test("a model that was downloaded without a GPU is served on an air-gapped host with any Instinct GPU", async () => {
  await using world = await startWorld();
  const model = { AIM_MODEL_ID: "mistralai/Mistral-7B-v0.1" };
  assertEquals((await aim(["download-to-cache"], { env: { ...world.env, ...model } })).code, 0);
  for (const gpu of ["MI250X", "MI300X", "MI325X", "MI355X"]) {
    const env = { ...world.env, ...model, AIM_GPU_MODEL: gpu, AIM_GPU_COUNT: "1", HF_HUB_OFFLINE: "1" };
    const { code, stdout, stderr } = await aim(["serve"], { env });
    assertEquals(code, 0, `${gpu}: ${stderr}`);
    assertStringIncludes(stdout, `--model ${world.directory}/cache/mistralai/Mistral-7B-v0.1`);
  }
});

/** The host's paths for the comments `# → /workspace/model-cache/…` in a block. */
function placesNamed(block: string): string[] {
  let host = "";
  return block.split("\n").flatMap((line) => {
    host = /-v (\S+):\/workspace\/model-cache/.exec(line)?.[1] ?? host;
    const place = /^# → \/workspace\/model-cache(\/\S+)$/.exec(line)?.[1];
    return place === undefined ? [] : [`${host}${place}`];
  });
}

/** Writes a profile for the page's only model without one. */
async function profileOfMistral({ directory }: Machine): Promise<void> {
  const folder = `${directory}/image/mistralai/Mistral-7B-v0.1`;
  await Deno.mkdir(folder, { recursive: true });
  const general = await Deno.readTextFile(`${directory}/profiles/general/vllm-mi300x-fp16-tp1-latency.yaml`);
  const id = "mistralai/Mistral-7B-v0.1";
  const own = general.replace("type: general", "type: preview").replace(
    /^metadata:/m,
    `aim_id: ${id}\nmodel_id: ${id}\nmetadata:`,
  );
  await Deno.writeTextFile(`${folder}/vllm-mi300x-fp16-tp1-latency.yaml`, own);
}

/** A block with the profiles of the page's images and the keys of this test's servers. */
function prepared(block: string): string {
  const keys = block.replaceAll(/-e (HF_TOKEN|AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY)="[^"]*"/g, "-e $1");
  return `export AIM_PROFILE_PATH=$PWD/image HF_TOKEN=${TOKEN}\n${keys}`;
}

// The page that users have of AIM's model caching, where it lies beside the project or AIM_TEST_REFERENCE names its folder: every command
// in it, with aim in place of the container, does what stands beside it.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { EXIT_CODES } from "../../src/errors/exit_codes.ts";
import { startWorld } from "../cli/world.ts";
import { blocksOf, type Machine, makeMachine } from "./documents.ts";

const FOLDER = Deno.env.get("AIM_TEST_REFERENCE") ??
  new URL("../../../shared/reference", import.meta.url).pathname;
const TOKEN = "hf_allowedtoken0001";
const PAGE = `${FOLDER}/model-caching.md`;
const text = await Deno.readTextFile(PAGE).catch(() => null);

Deno.test({
  name: `every command of the page on model caching does what it says${
    text === null ? ` (skipped: no ${PAGE})` : ""
  }`,
  ignore: text === null,
  async fn(t) {
    await using world = await startWorld(TOKEN);
    const machine = await makeMachine(world);
    await profileOfMistral(machine);
    let arrows = 0;
    for (const { language, text: block, line } of blocksOf(text ?? "")) {
      // A request to a running engine is none of aim's.
      if (language !== "bash" || block.startsWith("curl")) continue;
      await t.step(`line ${line}: ${block.split("\n")[0]}`, async () => {
        const { code, output } = await machine.run(prepared(block));
        // The page asks for a dry run without a GPU: that shows what it can, and says what is missing.
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

/** `# → /workspace/model-cache/…` beside a command, as the host sees it. */
function placesNamed(block: string): string[] {
  let host = "";
  return block.split("\n").flatMap((line) => {
    host = /-v (\S+):\/workspace\/model-cache/.exec(line)?.[1] ?? host;
    const place = /^# → \/workspace\/model-cache(\/\S+)$/.exec(line)?.[1];
    return place === undefined ? [] : [`${host}${place}`];
  });
}

/** The images of the page have their models' profiles; one model is in no catalogue. */
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

/** The images have their profiles, and the keys are those that the servers of this test take. */
function prepared(block: string): string {
  const keys = block.replaceAll(/-e (HF_TOKEN|AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY)="[^"]*"/g, "-e $1");
  return `export AIM_PROFILE_PATH=$PWD/image HF_TOKEN=${TOKEN}\n${keys}`;
}

import { assert, assertEquals } from "@std/assert";
import { makeModel } from "../fixtures/model/make_model.ts";
import { startHub } from "../servers/hub_server.ts";
import { readOnly } from "./read_only.ts";
import { type Serving, serving } from "./serving.ts";
import { vllmEnv } from "./vllm_env.ts";

const MODEL = "example/tiny-llama";
const WORDS = [MODEL, "--", "--host", "127.0.0.1", "--max-model-len", "128"];
const VARIABLES = ["VLLM_CACHE_ROOT", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "AITER_JIT_DIR"];

const found = await vllmEnv();
const python = typeof found === "string" ? found : "";
const compiler =
  new Deno.Command("sh", { args: ["-c", "command -v g++"], stdout: "null" }).outputSync().success;
const because = typeof found !== "string"
  ? ` (skipped: ${found.skip})`
  : compiler
  ? ""
  : " (skipped: vLLM compiles for processors with g++, which is not installed)";

Deno.test({
  name: `vLLM keeps compiled code on the cache volume and compiles nothing on the second start${because}`,
  ignore: because !== "",
  fn: async (t) => {
    await using hub = await startHub({ repos: [{ id: MODEL, files: makeModel() }] });
    const directory = await Deno.makeTempDir({ prefix: "aim-compiled-" });
    const cache = `${directory}/cache`, temporary = `${directory}/tmp`;
    await Deno.mkdir(temporary);
    const env = { HF_ENDPOINT: hub.url, AIM_CACHE_PATH: cache, TMPDIR: temporary };
    let text = "";
    const compiled: Map<string, number>[] = [];
    const volume = `${cache}/.aim/compiled/CPU-0.32.0-host`;
    for (const start of ["with an empty cache", "with the first start's cache"]) {
      await t.step(start, async () => {
        await using server = await serving(python, WORDS, env);
        text = await firstToken(server);
        console.log(`${start}: vLLM answered after ${Math.round(server.ready)} ms`);
        assertEquals(await variablesOf(server.pid), placesIn(volume));
        await server.stop();
        compiled.push(machineCodeBelow(volume));
      });
    }
    const [first, second] = compiled;
    assert(
      first !== undefined && [...first.keys()].some((path) => path.endsWith(".so")),
      "nothing was compiled",
    );
    assertEquals(second, first);

    const words = readOnly(cache);
    await t.step({
      name: `with a read-only volume${words === null ? " (skipped: mounting takes root)" : ""}`,
      ignore: words === null,
      fn: async () => {
        await using server = await serving(python, WORDS, { ...env, HF_HUB_OFFLINE: "1" }, words ?? []);
        assertEquals(await firstToken(server), text);
        const place = `${temporary}/aim-compiled-${Deno.uid()}-CPU-0.32.0-host`;
        assertEquals(await variablesOf(server.pid), placesIn(place));
        await server.stop();
        assert(machineCodeBelow(place).size > 0, "nothing was compiled");
        assertEquals(machineCodeBelow(volume), first);
      },
    });
    await Deno.remove(directory, { recursive: true });
  },
});

async function firstToken(server: Serving): Promise<string> {
  const response = await fetch(`${server.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, prompt: "Once upon a time", max_tokens: 1, temperature: 0 }),
  });
  const answer = await response.json();
  assertEquals(response.status, 200, JSON.stringify(answer));
  return answer.choices[0].text;
}

function placesIn(folder: string): Record<string, string> {
  return Object.fromEntries(
    ["vllm", "triton", "inductor", "aiter"].map((child, at) => [VARIABLES[at], `${folder}/${child}`]),
  );
}

/** A process's variables for compiled code. */
async function variablesOf(pid: number): Promise<Record<string, string>> {
  // Deno's permissions do not allow reading this file directly.
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/environ`] }).output();
  const environment = new TextDecoder().decode(stdout).split("\0");
  return Object.fromEntries(VARIABLES.flatMap((name) => {
    const line = environment.find((one) => one.startsWith(`${name}=`));
    return line === undefined ? [] : [[name, line.slice(name.length + 1)]];
  }));
}

/** Modification time of each library below a folder. */
function machineCodeBelow(folder: string, below = ""): Map<string, number> {
  const files = new Map<string, number>();
  for (const { name, isDirectory } of Deno.readDirSync(`${folder}/${below}`)) {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) { for (const [inside, time] of machineCodeBelow(folder, path)) files.set(inside, time); }
    else if (name.endsWith(".so")) files.set(path, Deno.statSync(`${folder}/${path}`).mtime?.getTime() ?? 0);
  }
  return new Map([...files].sort());
}

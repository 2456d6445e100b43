import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { COMMAND_NAMES } from "../../src/cli/registry.ts";
import { type BareMachine, BYTES, MODEL, startBareMachine, WEIGHTS } from "./bare_machine.ts";
import { e2e } from "./e2e.ts";

const ROOT = new URL("../../", import.meta.url);

await e2e("every command works on a minimal Debian without a home or capabilities", {}, async (t) => {
  await using machine = await startBareMachine();
  // All runs share /tmp, so that aim unpacks itself once.
  const tmp = `${machine.work}/tmp`;
  await Deno.mkdir(tmp);
  await Deno.chmod(tmp, 0o1777);
  const volumes = { "/tmp": tmp };
  const used = new Set<string>();
  const aim = async (...words: string[]) => {
    const name = COMMAND_NAMES.find((name) => words.join(" ").startsWith(name));
    if (name !== undefined) used.add(name);
    const { code, stdout, stderr } = await machine.run(["aim", ...words], { volumes });
    assertEquals(code, 0, `aim ${words.join(" ")}\n${stdout}${stderr}`);
    return stdout;
  };

  const cached = async () => {
    const { folders } = JSON.parse(await aim("cache", "list", "--format", "json")) as {
      folders: { models: { name: string }[] }[];
    };
    return folders.flatMap(({ models }) => models.map(({ name }) => name)).sort();
  };

  await t.step("no Deno, Node, Python, Perl or vLLM is installed", async () => {
    const script =
      "command -v deno node npx python python3.11 perl5 vllm; ls /job; find / -xdev -name '*deno*'; id";
    const { stdout } = await machine.run(["sh", "-c", script], {
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    });
    assertEquals(stdout, "bin\ntmp\nuid=1000 gid=1000 groups=1000\n");
  });

  await t.step("--version prints version, commit, Deno and form", async () => {
    const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    const [first, form] = [`aim ${version} (`, "(compiled|self-extracting)"];
    const line = await aim("--version");
    assert(line.startsWith(first), line);
    assertMatch(
      line.slice(first.length),
      new RegExp(`^(commit [0-9a-f]{12}, )?Deno ${Deno.version.deno}, ${form}\\)\n$`),
    );
  });

  await t.step("help prints the overview and each command's help", async () => {
    assertStringIncludes(await aim("help"), "Usage: aim");
    for (const name of COMMAND_NAMES) {
      assertStringIncludes(await aim("help", ...name.split(" ")), `aim ${name}`);
    }
  });

  await t.step("gpus", async () => {
    assertStringIncludes(await aim("gpus"), "MI300X");
    assertStringIncludes(await aim("gpus", "--format", "json"), '"MI300X"');
  });

  await t.step("list-profiles shows the embedded profiles", async () => {
    assertMatch(await aim("list-profiles", "--model", MODEL), /vllm-mi300x-\S+-tp1-latency/);
  });

  await t.step("profiles validate uses the embedded schemas", async () => {
    const profile = "vllm-mi300x-fp16-tp1-latency.yaml";
    const folder = new URL(`profiles/${MODEL}/`, ROOT);
    const text = await Deno.readTextFile(new URL(profile, folder));
    await Deno.writeTextFile(`${machine.work}/${profile}`, text);
    await aim("profiles", "validate", profile);
    await Deno.writeTextFile(
      `${machine.work}/wrong.yaml`,
      text.replace(/^engine_args:/m, "engine_arguments:"),
    );
    const { code, stdout, stderr } = await machine.run(["aim", "profiles", "validate", "wrong.yaml"], {
      volumes,
    });
    assertEquals(code, 2);
    assertMatch(stdout + stderr, /wrong\.yaml:\d+:\d+: /);
  });

  await t.step("completions", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      assertStringIncludes(await aim("completions", shell), "__complete");
    }
  });

  await t.step("size of a model on the hub and in S3", async () => {
    for (const url of [`hf://${MODEL}`, "s3://bucket/models/org/llama"]) {
      assertEquals(JSON.parse(await aim("size", url)), { url, sizeBytes: BYTES });
    }
  });

  await t.step("download-to-cache into a local directory, from the hub and from S3", async () => {
    await aim("download-to-cache", "--model-id", `hf://${MODEL}`);
    await aim("download-to-cache", "--model-id", "s3://bucket/models/org/llama");
    for (const name of [MODEL, "org/llama"]) {
      assertEquals(await Deno.readFile(`${machine.work}/cache/${name}/model.safetensors`), WEIGHTS);
    }
  });

  await t.step("download-to-cache into the Hugging Face cache", async () => {
    await aim("download-to-cache", "--model-id", "hf://org/model", "--use-hf-cache");
    const { sha256 } = machine.hub.digests("org/model", "model.safetensors");
    const blob = `${machine.work}/cache/hub/models--org--model/blobs/${sha256}`;
    assertEquals(await Deno.readFile(blob), WEIGHTS);
  });

  await t.step("fetch into one directory", async () => {
    await aim("fetch", "hf://org/model", "/job/one");
    assertEquals(await Deno.readFile(`${machine.work}/one/model.safetensors`), WEIGHTS);
  });

  await t.step("resolve finds the downloaded models in both layouts", async () => {
    assertMatch(await aim("resolve", MODEL), new RegExp(`^/job/cache/${MODEL}\n`));
    assertMatch(
      await aim("resolve", "org/model"),
      /^org\/model \(\/job\/cache\/hub\/.*\/snapshots\/[0-9a-f]{40}\)\n/,
    );
  });

  await t.step("cache list and verify show all three models", async () => {
    assertEquals(await cached(), [MODEL, "org/llama", "org/model"]);
    await aim("cache", "verify");
  });

  await t.step("cache verify names a changed file", async () => {
    const path = `${machine.work}/cache/org/llama/model.safetensors`;
    await Deno.writeFile(path, WEIGHTS.map((byte, at) => at === 1_000_000 ? byte ^ 1 : byte));
    const { code, stdout } = await machine.run(["aim", "cache", "verify", "org/llama"], { volumes });
    assertEquals(code, 8);
    assertStringIncludes(stdout, "model.safetensors");
  });

  await t.step("download-to-cache reads what export writes", async () => {
    await aim("export", MODEL, "/job/layout");
    await aim("download-to-cache", "oci-layout:/job/layout", "--model-name", "from/layout");
    assertEquals(await Deno.readFile(`${machine.work}/cache/from/layout/model.safetensors`), WEIGHTS);
    await aim("cache", "remove", "--yes", "from/layout");
  });

  await t.step("cache pin keeps a model from being pruned", async () => {
    await aim("cache", "pin", MODEL);
    await aim("cache", "pin", MODEL, "--remove");
  });

  await t.step("detect-hardware", async () => {
    assert(Array.isArray(JSON.parse(await aim("detect-hardware", "--format", "json"))));
  });

  await t.step("cache remove and prune", async () => {
    await aim("cache", "remove", "org/llama", "--yes");
    await aim("cache", "prune", "--yes");
    assertEquals(await cached(), [MODEL, "org/model"]);
  });

  await t.step("dry-run prints a script that starts the engine as serve does", async () => {
    const text = await aim("dry-run", "--model", MODEL);
    assertStringIncludes(text, `--model /job/cache/${MODEL}`);
    const served = await aim("serve", "--model", MODEL);
    const script = 'aim dry-run --format script "$0" | bash';
    const { code, stdout, stderr } = await machine.run(["sh", "-c", script, MODEL], { volumes });
    assertEquals(code, 0, stderr);
    const args = (log: string) => log.split("\n").filter((line) => line.startsWith("arg "));
    assert(args(served).includes(`arg /job/cache/${MODEL}`), served);
    assertEquals(args(stdout), args(served));
  });

  await t.step("dry-run --format json prints only one array", async () => {
    const [found] = JSON.parse(await aim("dry-run", "--format", "json", "--model", MODEL));
    assertMatch(found.path, /^embedded:.*\/vllm-mi300x-\S+\.yaml$/);
    assertEquals(found.models[0].source, `hf://${MODEL}`);
  });

  await t.step("doctor names what would stop serve", async () => {
    used.add("doctor");
    const doctor = async (env: Record<string, string>) => {
      const words = ["aim", "doctor", "--format", "json", "--model", MODEL];
      const { code, stdout } = await machine.run(words, { volumes, env });
      const page = JSON.parse(stdout) as { ok: boolean; checks: { name: string; state: string }[] };
      const engine = page.checks.find(({ name }) => name === "engine")?.state;
      return { code, ok: page.ok, engine };
    };
    // The stub engine is the only Python.
    assertEquals((await doctor({})).engine, "ok");
    const without = await doctor({ PATH: "/usr/local/bin:/usr/bin:/bin" });
    assertEquals([without.code, without.ok, without.engine], [1, false, "failed"]);
  });

  await t.step("every command was used", () => assertEquals([...used].sort(), COMMAND_NAMES.toSorted()));
});

await e2e("a downloaded model is served without a network and with HF_HUB_OFFLINE", {}, async (t) => {
  await using machine: BareMachine = await startBareMachine();
  for (const [layout, flags] of [["local", []], ["hub", ["--use-hf-cache"]]] as const) {
    await t.step(layout, async () => {
      const cache = { AIM_CACHE_PATH: `/job/${layout}` };
      const words = ["aim", "download-to-cache", "--model-id", `hf://${MODEL}`, ...flags];
      const download = await machine.run(words, { env: cache });
      assertEquals(download.code, 0, download.stderr);
      const asked = machine.hub.requests.length;
      const served = await machine.run(["aim", "serve", "--model", MODEL], {
        offline: true,
        env: { ...cache, HF_HUB_OFFLINE: "1" },
      });
      assertEquals(served.code, 0, served.stderr);
      assertStringIncludes(served.stdout, `arg ${layout === "local" ? `/job/local/${MODEL}` : MODEL}\n`);
      assertStringIncludes(served.stdout, "env HF_HUB_OFFLINE=1\n");
      assertEquals(machine.hub.requests.length, asked);
    });
  }
  await t.step("a model that was not downloaded is exit 5", async () => {
    const { code, stderr } = await machine.run(["aim", "serve", "--model", "org/model"], {
      offline: true,
      env: { HF_HUB_OFFLINE: "1" },
    });
    assertEquals(code, 5, stderr);
  });
});

import { assertEquals } from "@std/assert";
import { findAdapters } from "../../src/adapters/find_adapters.ts";
import { planAdapters } from "../../src/adapters/plan_adapters.ts";
import { isNumberLiteral } from "../../src/values/value.ts";
import { writeAdapter } from "./adapter_folder.ts";

const SETTINGS = {
  adapterSource: "/adapters",
  adapterMaxCount: 8,
  adapterMaxCpuCount: 4,
  adapterMaxRank: "32",
  origins: { adapterSource: "default" },
} as const;
const ADAPTERS = [{ name: "a", path: "/adapters/a", stamp: "" }, { name: "b", path: "/x=y/b", stamp: "" }];

Deno.test("adapters are folders with a configuration and weights up to the maximum rank, sorted by name", async () => {
  const source = await Deno.makeTempDir();
  try {
    await writeAdapter(source, "b.2");
    await writeAdapter(source, "a", { weights: "adapter_model.bin" });
    await writeAdapter(source, "linked-to", {});
    await Deno.symlink(`${source}/a`, `${source}/link`);
    await writeAdapter(source, ".staging");
    await writeAdapter(source, "-dash");
    await writeAdapter(source, "no-weights", { weights: "notes.txt" });
    await writeAdapter(source, "large", { rank: 64 });
    await writeAdapter(source, "text", { rank: "8" });
    await writeAdapter(source, "broken");
    await Deno.writeTextFile(`${source}/broken/adapter_config.json`, "{");
    await Deno.writeTextFile(`${source}/file`, "");
    const warnings: string[] = [];
    const found = await findAdapters(
      { adapterSource: source, adapterMaxRank: "32" },
      (text) => warnings.push(text),
    );
    assertEquals(found.map((a) => a.name), ["a", "b.2", "link", "linked-to"]);
    assertEquals(warnings.map((text) => text.split(" ")[1]), ["broken", "large", "text"]);
    assertEquals(await findAdapters({ adapterSource: `${source}/none`, adapterMaxRank: "32" }), []);
  } finally {
    await Deno.remove(source, { recursive: true });
  }
});

Deno.test("an adapter's stamp changes with its files", async () => {
  const source = await Deno.makeTempDir();
  try {
    const stamp = async () => (await findAdapters({ adapterSource: source, adapterMaxRank: "32" }))[0]?.stamp;
    await writeAdapter(source, "a");
    const before = await stamp();
    assertEquals(await stamp(), before);
    await writeAdapter(source, "a", { bytes: 65 });
    assertEquals(await stamp() === before, false);
  } finally {
    await Deno.remove(source, { recursive: true });
  }
});

for (
  const [what, features, mode, adapters, args, watch] of [
    ["a profile without the feature gets no arguments", [], "dynamic", ADAPTERS, {}, false],
    ["static mode without adapters adds no arguments", ["adapters"], "static", [], {}, false],
    [
      "static mode names the adapters, and max-cpu-loras is at least max-loras",
      ["adapters"],
      "static",
      ADAPTERS,
      {
        "enable-lora": true,
        "max-loras": 8,
        "max-cpu-loras": 8,
        "max-lora-rank": 32,
        "lora-modules": ["a=/adapters/a", '{"name":"b","path":"/x=y/b"}'],
      },
      false,
    ],
    [
      "dynamic mode names no adapters and starts the watcher",
      ["adapters"],
      "dynamic",
      ADAPTERS,
      { "enable-lora": true, "max-loras": 8, "max-cpu-loras": 8, "max-lora-rank": 32 },
      true,
    ],
    [
      "adapters-scale-only is always static",
      ["adapters-scale-only"],
      "dynamic",
      ADAPTERS.slice(0, 1),
      {
        "enable-lora": true,
        "max-loras": 8,
        "max-cpu-loras": 8,
        "max-lora-rank": 32,
        "lora-modules": ["a=/adapters/a"],
      },
      false,
    ],
  ] as const
) {
  Deno.test(`adapters: ${what}`, async () => {
    const config = { ...SETTINGS, adapterMode: mode };
    const plan = await planAdapters("p", features, config, () => Promise.resolve(adapters));
    const plain = [...plan.args].map(([name, value]) => [name, isNumberLiteral(value) ? value.value : value]);
    assertEquals(Object.fromEntries(plain), args);
    assertEquals(plan.watch, watch);
    assertEquals(
      plan.env,
      watch
        ? {
          VLLM_ALLOW_RUNTIME_LORA_UPDATING: "True",
          VLLM_LORA_RESOLVER_CACHE_DIR: "/adapters",
          VLLM_PLUGINS: "lora_filesystem_resolver",
        }
        : {},
    );
  });
}

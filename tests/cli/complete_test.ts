import { assertEquals } from "@std/assert";
import { namesInCache } from "../../src/cache/list_models.ts";
import { complete } from "../../src/cli/commands/complete_words.ts";
import { type Command, command } from "../../src/cli/command.ts";
import { DENO_RUN, MAIN, plainEnvironment } from "./aim.ts";

const offer = (usage: string, more: Partial<Parameters<typeof command>[0]> = {}) =>
  command({ usage, summary: "", run() {}, ...more });
const COMMANDS: readonly Command[] = [
  offer("serve", { settings: ["modelId", "precision", "profileId", "profilePath", "offline"] }),
  offer("resolve [MODEL]", { flags: { "-f|--format text|json": "how it looks" } }),
  offer("cache list [MODEL...]", { settings: ["cachePath"] }),
  offer("cache verify [MODEL...]"),
  offer("profiles validate PATH..."),
  offer("help"),
];

/** The completions of a line's last word, which is empty after a space. */
async function offered(line: string): Promise<string[]> {
  const lines = await complete(line.split(" "), COMMANDS, (kind, { modelId = "mi300x", cachePath }) => {
    if (kind === "profiles") return [`vllm-${modelId}-fp8`, "general/vllm-mi300x-fp16-tp1-latency"];
    return cachePath === "/c" ? ["org/c"] : ["org/a", "org/b"];
  });
  return lines.map((line) => line.replace(/\t.*/, ""));
}

Deno.test("commands, subcommands, flags, values, profile ids, cached models and paths are completed", async () => {
  const cases: [string, string[]][] = [
    ["", ["serve", "resolve", "cache", "profiles", "help"]],
    ["c", ["cache"]],
    ["cache ", ["list", "verify"]],
    ["cache v", ["verify"]],
    ["resolve --f", ["--format"]],
    ["resolve --format ", ["text", "json"]],
    ["resolve -f j", ["json"]],
    ["resolve --format=j", ["--format=json"]],
    ["resolve o", ["org/a", "org/b"]],
    ["resolve org/a ", []],
    ["cache verify org/a org/", ["org/a", "org/b"]],
    ["serve --prec", ["--precision"]],
    ["serve --precision fp1", ["fp16"]],
    ["serve --profile g", ["general/vllm-mi300x-fp16-tp1-latency"]],
    ["serve --model m/m --profile v", ["vllm-m/m-fp8"]],
    ["serve --model=m/m --profile v", ["vllm-m/m-fp8"]],
    ["serve --model ", ["org/a", "org/b"]],
    ["cache list --cache-path /c ", ["org/c"]],
    ["serve --offline ", []],
    ["--model org/a --prec", ["--precision"]],
    ["--model org/a re", ["resolve"]],
    ["-q --cache-path /c cache li", ["list"]],
    ["cache --cache-path=/c list ", ["org/c"]],
    ["--profile-path ", [":files"]],
    ["--precision fp4", ["fp4"]],
    ["--qu", ["--quiet"]],
    ["profiles validate x", [":files"]],
    ["serve --profile-path ", [":files"]],
    ["help env", ["environment"]],
    ["help cache ", ["list", "verify"]],
    ["frobnicate ", []],
  ];
  for (const [line, expected] of cases) assertEquals(await offered(line), expected, line);
});

Deno.test("models of both layouts are completed, other folders are not", async () => {
  const root = await Deno.makeTempDir();
  try {
    for (
      const d of ["org/model", "lost+found/x", ".aim/y", "org/.hidden", "hub/models--a--b--c", "hub/.locks"]
    ) {
      await Deno.mkdir(`${root}/${d}`, { recursive: true });
    }
    await Deno.writeTextFile(`${root}/org/model/config.json`, "{}");
    const paths = { cachePath: root, hfHubCache: `${root}/hub`, hfHome: root };
    assertEquals(await namesInCache(paths), ["a/b--c", "org/model"]);
    assertEquals(await namesInCache({ cachePath: `${root}/none`, hfHubCache: "/none", hfHome: "/none" }), []);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

/** For each shell, a script that prints the completions of `aim completions ` and `aim help exit`. */
const SHELLS: Readonly<Record<string, string>> = {
  bash: `source <(aim completions bash)
    for COMP_LINE in "aim completions " "aim help exit"; do
      COMP_POINT=\${#COMP_LINE}; _aim; printf '%s\\n' "\${COMPREPLY[@]}"
    done`,
  zsh: `compdef() { :; }
    _describe() { print -l -- "\${candidates[@]}"; }
    source <(aim completions zsh)
    words=(aim completions ""); CURRENT=3; _aim
    words=(aim help exit); CURRENT=3; _aim`,
  fish: `aim completions fish | source
    complete -C "aim completions "
    complete -C "aim help exit"`,
};

for (const [shell, program] of Object.entries(SHELLS)) {
  const installed = (Deno.env.get("PATH") ?? "").split(":").some((directory) => {
    try {
      return Deno.statSync(`${directory}/${shell}`).isFile;
    } catch {
      return false;
    }
  });
  Deno.test({
    name: `the completion script works in ${shell}${installed ? "" : " (skipped: not installed)"}`,
    ignore: !installed,
    async fn() {
      const directory = await Deno.makeTempDir();
      try {
        const words = [Deno.execPath(), ...DENO_RUN, MAIN].map((w) => `'${w}'`).join(" ");
        await Deno.writeTextFile(`${directory}/aim`, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
        const { stdout, stderr } = await new Deno.Command(shell, {
          args: ["-c", program],
          clearEnv: true,
          env: {
            ...plainEnvironment(),
            PATH: `${directory}:${Deno.env.get("PATH")}`,
            XDG_CONFIG_HOME: directory,
            XDG_DATA_HOME: directory,
          },
        }).output();
        const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
        assertEquals([text(stderr), text(stdout).trim().split("\n").sort()], [
          "",
          ["bash", "exit-codes", "fish", "zsh"],
        ]);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

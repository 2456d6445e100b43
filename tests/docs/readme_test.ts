import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { parse } from "yaml";
import { aim } from "../cli/aim.ts";
import { startWorld } from "../cli/world.ts";
import { blocksOf, makeMachine } from "./documents.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const PAGES = ["README.md", "container/README.md"] as const;
const LANGUAGES = ["sh", "yaml", "mermaid"];

Deno.test("the README has at most 250 lines", async () => {
  const lines = (await Deno.readTextFile(join(ROOT, "README.md"))).split("\n").length - 1;
  assert(lines <= 250, `${lines} lines`);
});

for (const page of PAGES) {
  Deno.test(`every command of ${page} works, pasted into one shell from top to bottom`, async () => {
    // The token in the page.
    await using world = await startWorld("hf_xxxxxxxx");
    const machine = await makeMachine(world);
    const blocks = blocksOf(await Deno.readTextFile(join(ROOT, page)));
    assertEquals(blocks.filter(({ language }) => !LANGUAGES.includes(language)), []);
    const pasted = blocks.filter(({ language }) => language === "sh")
      .map(({ text, line }) => `echo "== ${page}:${line}"\n${text}`).join("\n");
    const { code, output } = await machine.run(pasted);
    assertEquals(code, 0, output.split("\n").slice(-30).join("\n"));
  });
}

const LINKED = [
  ...PAGES,
  ...[...Deno.readDirSync(join(ROOT, ".github"))].filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => `.github/${name}`),
  "tests/bench/README.md",
];
for (const page of LINKED) {
  Deno.test(`every relative link of ${page} has a target`, async () => {
    const text = await Deno.readTextFile(join(ROOT, page));
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? "");
    const wrong: string[] = [];
    for (const link of links.filter((one) => !one.startsWith("https://"))) {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? join(ROOT, page) : join(dirname(join(ROOT, page)), path);
      try {
        const { isDirectory } = await Deno.stat(target);
        if (
          anchor !== undefined &&
          (isDirectory || !anchorsOf(await Deno.readTextFile(target)).includes(anchor))
        ) {
          wrong.push(link);
        }
      } catch {
        wrong.push(link);
      }
    }
    assertEquals(wrong, []);
  });
}

for (const page of PAGES) {
  Deno.test(`the YAML blocks of ${page} are valid YAML and valid profiles`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      for (const { language, text } of blocksOf(await Deno.readTextFile(join(ROOT, page)))) {
        if (language !== "yaml") continue;
        const value: unknown = parse(text);
        if (!(typeof value === "object" && value !== null && "engine_args" in value)) continue;
        await Deno.mkdir(`${directory}/general`, { recursive: true });
        await Deno.writeTextFile(`${directory}/general/profile.yaml`, text);
        const ran = await aim(["profiles", "validate", directory]);
        assertEquals(ran.code, 0, ran.stdout + ran.stderr);
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("the README starts with deno task demo and test, and uses the current Deno version", async () => {
  const text = await Deno.readTextFile(join(ROOT, "README.md"));
  const commands = text.match(/npx -y deno@[\d.]+ task \w+/g) ?? [];
  assertEquals(commands.slice(0, 2).map((command) => command.split(" ").at(-1)), ["demo", "test"]);
  assert(commands.every((command) => command.includes(`deno@${Deno.version.deno} `)));
});

/** The anchors that GitHub makes from headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? "").toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

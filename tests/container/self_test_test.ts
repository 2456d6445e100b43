import { assertEquals, assertStringIncludes } from "@std/assert";
import { bundleProgram } from "../../container/packaging/bundle_program.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const BUILD = { version: "1.2.3", commit: null, form: "compiled" } as const;

Deno.test("the bundled program passes its self-test, and fails it if any part is broken", async (t) => {
  await using folder = await temporary();
  await bundleProgram(ROOT, folder.path, BUILD);
  const intact = await selfTest(folder.path);
  assertEquals([intact.code, intact.stderr], [0, ""]);

  const at = (name: string) => `${folder.path}/${name}`;
  const chunk =
    [...Deno.readDirSync(folder.path)].find(({ name }) => name.startsWith("open_source-"))?.name ??
      "";
  const breaks: Record<string, { file: string; write?: string; says: string }> = {
    "a library exports only default": {
      file: "aws_s3.js",
      write: "export default {};",
      says: "aws_s3.js",
    },
    "a library lacks an export": {
      file: "yaml.js",
      write: "export const other = 1;",
      says: "isAlias",
    },
    "a library cannot be parsed": { file: "hugging_face.js", write: "export {", says: "hugging_face.js" },
    "a library is missing": { file: "yaml.js", says: "yaml.js" },
    "a chunk imported only by downloads is missing": { file: chunk, says: chunk },
    "the worker is missing": { file: "hash_worker.js", says: "thread" },
    "a schema is truncated": { file: "profiles/schemas/profile.schema.json", write: "{", says: "schemas" },
    "the general profiles are missing": { file: "profiles/general/profiles.json", says: "profiles" },
  };
  for (const [what, { file, write, says }] of Object.entries(breaks)) {
    await t.step(what, async () => {
      const before = await Deno.readFile(at(file));
      if (write === undefined) await Deno.remove(at(file));
      else await Deno.writeTextFile(at(file), write);
      const { code, stderr } = await selfTest(folder.path);
      await Deno.writeFile(at(file), before);
      assertEquals(code, 1, stderr);
      assertStringIncludes(stderr, says);
    });
  }
});

async function selfTest(program: string): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote"],
      ...["--allow-read", "--allow-env", "--allow-ffi", "--allow-sys", `${program}/main.js`, "__self-test"],
    ],
    env: { NO_COLOR: "1", DENO_DIR: `${program}/cache` },
    stdin: "null",
    stdout: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

async function temporary(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "aim-bundle-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

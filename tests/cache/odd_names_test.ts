import { assert, assertEquals } from "@std/assert";
import { checkPublished } from "../../src/cache/check_manifest.ts";
import { assertSafePath } from "../../src/sources/safe_path.ts";
import { aim } from "../cli/aim.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";

const WHOLE = { "config.json": "{}", "model.safetensors": safetensorsBytes(2_000) };
const name = (length: number, end = ".txt") => "n".repeat(length - end.length) + end;

/** Downloads a model with these extra files into both layouts; returns exit codes and the files on disk. */
async function download(files: Record<string, string>) {
  const directory = await Deno.makeTempDir();
  await using hub = await startHub({ repos: [{ id: "org/model", files: { ...WHOLE, ...files } }] });
  try {
    const ended: {
      code: number;
      stderr: string;
      again: number;
      resolved: number;
      written: boolean;
      files: string;
    }[] = [];
    for (const layout of [[], ["--use-hf-cache"]]) {
      const env = { HF_ENDPOINT: hub.url, AIM_CACHE_PATH: `${directory}/${layout.length}` };
      const args = ["download-to-cache", "hf://org/model", ...layout];
      const { code, stderr } = await aim(args, { env });
      const written = await Deno.stat(env.AIM_CACHE_PATH).then(() => true, () => false);
      const again = (await aim(args, { env })).code;
      const resolved = (await aim(["resolve", "org/model"], { env: { ...env, HF_HUB_OFFLINE: "1" } })).code;
      const { stdout } = await new Deno.Command("find", { args: [directory, "-type", "f"] }).output();
      ended.push({ code, stderr, again, resolved, written, files: new TextDecoder().decode(stdout) });
    }
    return ended;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

for (
  const [what, files] of [
    ["of 247 bytes", { [name(247)]: "x" }],
    ["of 255 bytes", { [name(255)]: "x" }],
    ["of 255 bytes in a folder with a name of 255 bytes", { [`${name(255, "d")}/${name(255)}`]: "x" }],
    ["that collides with the folder a.metadata of Python's metadata", { "a": "x", "a.metadata/b": "y" }],
    ["that collides with another file's partial file", { "a": "x", "a.incomplete": "y" }],
  ] as const
) {
  Deno.test(`a file name ${what} is downloaded, or refused by name before the first byte`, async () => {
    for (const { code, stderr, again, resolved, written } of await download(files)) {
      assertEquals(again, code);
      if (code === 0) assertEquals(resolved, 0, stderr);
      else {
        assertEquals([code, resolved, written], [8, 5, false], stderr);
        assert(Object.keys(files).some((path) => stderr.includes(path.slice(0, 20))), stderr);
      }
    }
  });
}

for (
  const [what, path] of [
    ["longer than 255 bytes", name(256)],
    ["longer than the maximum path", `${`${name(200, "d")}/`.repeat(20)}x`],
    ["in lost+found", "lost+found/x"],
    ["in .git", ".git/hooks/post-checkout"],
    ["with a C1 control character", "a\u009b31mb"],
    ["with a character that reverses the text direction", "a\u202egpj.exe"],
  ] as const
) {
  Deno.test(`a file name ${what} is never written to disk`, async () => {
    for (const { code, stderr, resolved, written, files } of await download({ [path]: "x" })) {
      // Either ignored as not part of the model, or refused.
      if (code === 0) assertEquals(resolved, 0, stderr);
      else assertEquals([code, resolved, written], [8, 5, false], stderr);
      assert(!files.includes(path), files);
      assert(!/[\u0080-\u009f\u202a-\u202e]/.test(stderr), stderr);
    }
  });
}

Deno.test("signals are handled while many files are checked", async () => {
  const directory = await Deno.makeTempDir();
  const files = Array.from({ length: 1_000 }, (_, at) => assertSafePath(`${at}.json`));
  for (const path of files) await Deno.writeTextFile(`${directory}/${path}`, "{}");
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  try {
    const checked = files.map((path) => ({ path, size: 2, digest: null, etag: path }));
    assertEquals((await checkPublished(directory, checked)).size, files.length);
    assert(turns > 0);
  } finally {
    clearInterval(timer);
    await Deno.remove(directory, { recursive: true });
  }
});

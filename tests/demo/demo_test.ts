import { assert, assertEquals } from "@std/assert";

Deno.test("the demo succeeds, prints no secret and leaves no files behind", async () => {
  const temporary = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-P", new URL("demo.ts", import.meta.url).pathname],
      cwd: new URL("../../", import.meta.url),
      env: { TMPDIR: temporary },
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals(code, 0, text);
    assert(!text.includes("test-secret-key"), text);
    assertEquals([...Deno.readDirSync(temporary)].map((entry) => entry.name), []);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
});

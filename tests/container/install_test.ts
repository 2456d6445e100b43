import { assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";

const INSTALL = new URL("../../container/install.sh", import.meta.url).pathname;

Deno.test("install.sh installs an executable of either form only if it matches SHA256SUMS", async (t) => {
  const place = await Deno.makeTempDir({ prefix: "aim-install-" });
  const executable = `${place}/aim-test`;
  const install = async (content: Uint8Array<ArrayBuffer>, sums: (digest: string) => string) => {
    await Deno.writeFile(executable, content, { mode: 0o755 });
    const digest = createHash("sha256").update(content).digest("hex");
    await Deno.writeTextFile(`${place}/SHA256SUMS`, sums(digest));
    await new Deno.Command("rm", { args: ["-rf", `${place}/out`] }).output();
    const { code, stderr } = await new Deno.Command("sh", { args: [INSTALL, executable, `${place}/out`] })
      .output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  };
  const right = (digest: string) => `${digest}  aim-test\n${digest}  aim-test.cdx.json\n`;
  const elf = await Deno.readFile("/bin/true");
  const script = (body: string) => new TextEncoder().encode(`#!/bin/sh\n${body}\n`);
  // A minimal stand-in for the self-extracting form.
  const unpacks =
    '[ "$1" = __unpack ] && mkdir "$2" && printf "#!/bin/sh\\nexit $CODE\\n" >"$2/aim" && chmod 755 "$2/aim"';

  try {
    await t.step("a compiled executable is copied", async () => {
      assertEquals((await install(elf, right)).code, 0);
      const { mode } = await Deno.stat(`${place}/out/aim`);
      assertEquals((mode ?? 0) & 0o777, 0o555);
      assertEquals(await Deno.readFile(`${place}/out/aim`), elf);
    });
    await t.step("a self-extracting executable is unpacked, without write permission", async () => {
      assertEquals((await install(script(unpacks.replace("$CODE", "0")), right)).code, 0);
      assertEquals(((await Deno.stat(`${place}/out/aim`)).mode ?? 0) & 0o777, 0o555);
    });
    await t.step("the exit code of a failed self-test is passed on", async () => {
      assertEquals((await install(script(unpacks.replace("$CODE", "7")), right)).code, 7);
    });
    await t.step("a wrong or missing digest exits with 8", async () => {
      const other = await install(elf, () => `${"0".repeat(64)}  aim-test\n`);
      assertEquals(other.code, 8);
      assertStringIncludes(other.stderr, "aim-test is not the executable");
      const none = await install(elf, (digest) => `${digest}  aim\n`);
      assertEquals(none.code, 8);
      assertStringIncludes(none.stderr, "no line for aim-test");
    });
  } finally {
    await new Deno.Command("chmod", { args: ["-R", "u+w", place] }).output();
    await Deno.remove(place, { recursive: true });
  }
});

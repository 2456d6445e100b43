import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ABSENT, type Read } from "../../src/os/read_regular_file.ts";
import { readRegularFileSync, readRegularText, readRegularTextSync } from "../../src/os/read_regular_file.ts";

/** A file's bytes; asserts that all read functions agree. */
async function read(path: string, limit?: number): Promise<Read<Uint8Array>> {
  const bytes = readRegularFileSync(path, limit);
  const text = readRegularTextSync(path, limit);
  assertEquals(await readRegularText(path, limit), text);
  const value = bytes.kind === "ok" ? new TextDecoder().decode(bytes.value) : null;
  assertEquals(text, value === null ? bytes : { kind: "ok", value });
  return bytes;
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("regular files are read completely, also through symlinks", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    for (const size of [0, 1, 4096, 200_000]) {
      const bytes = new Uint8Array(size).map((_, at) => at % 251);
      await Deno.writeFile(path, bytes);
      assertEquals(await read(path), { kind: "ok", value: bytes });
      assertEquals(await read(path, size), { kind: "ok", value: bytes });
    }
    await Deno.writeTextFile(path, "größe");
    await Deno.symlink("file", join(folder, "link"));
    await read(join(folder, "link"));
    assertEquals(await readRegularText(join(folder, "link")), { kind: "ok", value: "größe" });
  }));

Deno.test("a named pipe, a directory, a device and a symlink to a pipe are refused without blocking", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(join(folder, "directory"));
    const { success } = await new Deno.Command("mkfifo", { args: [join(folder, "pipe")] }).output();
    assertEquals(success, true);
    await Deno.symlink("pipe", join(folder, "link"));
    for (const name of ["directory", "pipe", "link"]) {
      assertEquals((await read(join(folder, name))).kind, "failed", name);
    }
    assertEquals((await read("/dev/zero")).kind, "failed");
  }));

Deno.test("a file above the size limit is refused", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await Deno.writeFile(path, new Uint8Array(101));
    assertEquals(await read(path, 100), { kind: "failed", reason: "it has more than 100 bytes" });
    await Deno.truncate(path, 2 ** 40);
    assertEquals((await read(path)).kind, "failed");
  }));

Deno.test("a missing path, a path below a file, and a symlink loop are absent", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "file"), "");
    await Deno.symlink("circle", join(folder, "circle"));
    for (const name of ["none", "file/none", "circle"]) {
      assertEquals(await read(join(folder, name)), ABSENT, name);
    }
  }));

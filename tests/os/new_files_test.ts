import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { createFile, renameFile } from "../../src/os/new_files.ts";

Deno.test("a new file has its bytes and the rights that the umask leaves, whatever its name", async () => {
  const folder = await Deno.makeTempDir();
  try {
    Deno.writeFileSync(join(folder, "reference"), new Uint8Array());
    const { mode } = Deno.statSync(join(folder, "reference"));
    Deno.removeSync(join(folder, "reference"));
    const names = ["plain", "mit Leerzeichen, ü, 模型, 😀", "x".repeat(255)];
    for (const [at, name] of names.entries()) {
      for (const size of [0, 1, 100_000]) {
        const bytes = new Uint8Array(size).fill(at + 1);
        const [first, second] = [join(folder, `${name.slice(0, 200)}.new`), join(folder, name)];
        assert(createFile(first, bytes), name);
        assertEquals(Deno.readFileSync(first), bytes);
        assertEquals(Deno.statSync(first).mode, mode);
        assert(renameFile(first, second), name);
        assertEquals(Deno.readFileSync(second), bytes);
      }
    }
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), names.sort());
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("what cannot be created or renamed is left as it was", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const there = join(folder, "there");
    Deno.writeTextFileSync(there, "old");
    Deno.symlinkSync(join(folder, "nowhere"), join(folder, "link"));
    const bytes = new Uint8Array(3);
    const refused = [
      there,
      join(folder, "link"),
      join(folder, "none/file"),
      join(folder, "a\0b"),
      join(folder, "x".repeat(256)),
      join(folder, "d/".repeat(3000), "file"),
      join(folder, "ü".repeat(2100)),
    ];
    for (const path of refused) {
      assertEquals(createFile(path, bytes), false, path);
      assertEquals(renameFile(join(folder, "none"), path), false, path);
    }
    assertEquals(renameFile(there, join(folder, "none/file")), false);
    assertEquals(Deno.readTextFileSync(there), "old");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["link", "there"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

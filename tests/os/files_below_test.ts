import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { AimError } from "../../src/errors/aim_error.ts";
import { type FilesBelow, filesBelow } from "../../src/os/files_below.ts";
import { writeFile } from "../../src/os/write_file.ts";

/** A root with a folder, and a folder outside it. */
async function inRoot(test: (root: string, outside: string) => void): Promise<void> {
  const directory = await Deno.makeTempDir();
  const [root, outside] = [join(directory, "root"), join(directory, "outside")];
  try {
    await Deno.mkdir(join(root, "a/b"), { recursive: true });
    await Deno.mkdir(join(outside, "b"), { recursive: true });
    await Deno.writeTextFile(join(outside, "b/victim"), "theirs");
    await Deno.writeTextFile(join(outside, "victim"), "theirs");
    test(root, outside);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function write(files: FilesBelow, path: string, text: string): void {
  using file = files.create(path);
  file.writeSync(new TextEncoder().encode(text));
}

/** Each call, applied to a path. */
const CALLS: Readonly<Record<string, (files: FilesBelow, root: string, path: string) => unknown>> = {
  create: (files, _, path) => files.create(`${path}.new`).close(),
  write: (files, _, path) => files.write(`${path}.new`, new Uint8Array(3)),
  open: (files, _, path) => files.open(path).close(),
  append: (files, _, path) => files.append(`${path}.new`).close(),
  "rename to": (files, root, path) => files.rename(join(root, "mine"), path),
  "rename from": (files, root, path) => files.rename(path, join(root, "got")),
  remove: (files, _, path) => files.remove(path),
  makeDirectory: (files, _, path) => files.makeDirectory(`${path}.new`),
  symlink: (files, _, path) => files.symlink("target", `${path}.new`),
  link: (files, root, path) => files.link(join(root, "mine"), `${path}.new`),
};

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name} does not follow a symlink in the path, at any depth`, () =>
    inRoot((root, outside) => {
      const files = filesBelow(root);
      write(files, join(root, "mine"), "mine");
      for (const at of ["a", "a/b"]) {
        Deno.removeSync(join(root, at), { recursive: true });
        Deno.symlinkSync(at === "a" ? outside : join(outside, "b"), join(root, at));
        const error = assertThrows(() => call(files, root, join(root, at, "victim")), AimError);
        assertEquals([error.kind, error.message.includes(join(root, at))], ["no-space", true]);
        Deno.removeSync(join(root, at));
        Deno.mkdirSync(join(root, "a/b"), { recursive: true });
      }
      assertEquals([...Deno.readDirSync(outside)].map((entry) => entry.name).sort(), ["b", "victim"]);
      assertEquals([...Deno.readDirSync(join(outside, "b"))].map((entry) => entry.name), ["victim"]);
      assertEquals(Deno.readTextFileSync(join(outside, "victim")), "theirs");
      assertEquals(Deno.readTextFileSync(join(root, "mine")), "mine");
    }));
}

Deno.test("a symlink in place of a file is replaced or removed, never written through", () =>
  inRoot((root, outside) => {
    const files = filesBelow(root);
    const [link, mine] = [join(root, "a/link"), join(root, "a/mine")];
    Deno.symlinkSync(join(outside, "victim"), link);
    assertThrows(() => files.create(link), Deno.errors.AlreadyExists);
    assertThrows(() => files.open(link), AimError);
    assertThrows(() => files.append(link), AimError);
    files.write(link, new TextEncoder().encode("new"));
    assertEquals([Deno.readTextFileSync(link), Deno.lstatSync(link).isSymlink], ["new", false]);
    Deno.removeSync(link);
    Deno.symlinkSync(join(outside, "victim"), link);
    write(files, mine, "mine");
    files.rename(mine, link);
    assertEquals(Deno.readTextFileSync(link), "mine");
    for (const text of ["1", "2"]) {
      using file = files.append(link);
      file.writeSync(new TextEncoder().encode(text));
    }
    assertEquals(Deno.readTextFileSync(link), "mine12");
    Deno.symlinkSync(join(outside, "victim"), mine);
    files.remove(mine);
    files.remove(mine);
    assertEquals(Deno.readTextFileSync(join(outside, "victim")), "theirs");
  }));

Deno.test("files with any name can be created with the umask's permissions, opened, renamed and removed", () =>
  inRoot((root) => {
    const files = filesBelow(root);
    Deno.writeFileSync(join(root, "reference"), new Uint8Array());
    for (const name of ["plain", "mit Leerzeichen, ü, 模型, 😀", "x".repeat(255)]) {
      const path = join(root, "a/b", name);
      write(files, path, name);
      assertEquals(Deno.statSync(path).mode, Deno.statSync(join(root, "reference")).mode);
      using file = files.open(path);
      assertEquals(file.statSync().size, new TextEncoder().encode(name).length);
      files.rename(path, join(root, "a", name));
      files.remove(join(root, "a", name));
    }
    assertEquals([...Deno.readDirSync(join(root, "a"))].map((entry) => entry.name), ["b"]);
    assertThrows(() => files.open(join(root, "a/none")), Deno.errors.NotFound);
    assertThrows(() => files.create(join(root, "none/file")), Deno.errors.NotFound);
    for (const path of ["/etc/passwd", `${root}/a/../../x`, `${root}x`, root]) {
      assertThrows(() => files.open(path), AimError);
    }
  }));

Deno.test("a failed write is always an AimError and leaves no file", () =>
  inRoot((root) => {
    for (const path of ["a", `${"n".repeat(256)}/file`, "none/file"]) {
      assertThrows(() => writeFile(filesBelow(root), join(root, path), "text"), AimError);
    }
    assertEquals([...Deno.readDirSync(root)].map((entry) => entry.name), ["a"]);
  }));

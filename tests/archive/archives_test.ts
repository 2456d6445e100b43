import { assert, assertEquals, assertRejects } from "@std/assert";
import { layerEntries, type LayerEntry } from "../../src/archive/layer_entries.ts";
import { type Layer, modelFiles } from "../../src/archive/model_files.ts";
import { TarFault } from "../../src/archive/tar_entries.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import type { Archive } from "../../src/sources/manifest.ts";
import { sortedFiles } from "../../src/sources/sorted_files.ts";
import { makeTar, paxEntry, type TestEntry } from "./make_tar.ts";

/** The entries of an archive with these bytes. */
async function entriesIn(bytes: Uint8Array, kind: Archive["kind"]): Promise<LayerEntry[]> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    using file = await Deno.open(path);
    return await layerEntries(file, kind, () => {});
  } finally {
    await Deno.remove(path);
  }
}

const filesOf = (entries: readonly LayerEntry[]) =>
  entries.flatMap((entry) => entry.kind === "file" ? [[entry.path, entry.size, entry.sha256]] : []);

async function run(program: string, args: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  assert(success, new TextDecoder().decode(stderr));
  return stdout;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

// Too long for the plain name field of any format.
const LONG = `${"d".repeat(90)}/${"e".repeat(50)}/model-00001-of-00002.safetensors`;
for (const format of ["ustar", "gnu", "pax", "v7"]) {
  Deno.test(`an archive by GNU tar (${format}) is read with the right names, sizes and digests`, async () => {
    const folder = await Deno.makeTempDir();
    const files = [
      ["config.json", "{}"],
      ["empty", ""],
      ["sub/exactly512", "x".repeat(512)],
      ...format === "v7" ? [] : [[LONG, "y".repeat(3000)]],
      ...format === "pax" || format === "gnu" ? [[`${"ü".repeat(120)}.bin`, "z"]] : [],
    ] as const;
    for (const [path = "", content = ""] of files) {
      await Deno.mkdir(`${folder}/model/${path.replace(/[^/]*$/, "")}`, { recursive: true });
      await Deno.writeTextFile(`${folder}/model/${path}`, content);
    }
    const archive = await run("tar", ["-C", `${folder}/model`, `--format=${format}`, "-c", "."]);
    const expected = await Promise.all(
      files.map(async ([path, content = ""]) => {
        const bytes = new TextEncoder().encode(content);
        return [path, bytes.length, await sha256(bytes)];
      }),
    );
    const entries = await entriesIn(archive, "files");
    assertEquals(filesOf(entries).sort(), expected.sort());
    for (const entry of entries) {
      if (entry.kind !== "file") continue;
      const bytes = archive.slice(entry.offset, entry.offset + entry.size);
      assertEquals(await sha256(bytes), entry.sha256);
    }
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("a size above 8 GiB is read in both GNU and pax format", async () => {
  const size = 9 * 2 ** 30;
  const start = async (program: string) => (await run("python3", ["-c", program])).slice(0, 4096);
  for (const format of ["GNU_FORMAT", "PAX_FORMAT"]) {
    const header = await start(
      `import sys, tarfile
info = tarfile.TarInfo("model.gguf"); info.size = ${size}
sys.stdout.buffer.write(info.tobuf(tarfile.${format}))`,
    );
    const error = await assertRejects(() => entriesIn(header, "files"), TarFault);
    // The content is missing, which is noticed only if the size was read correctly.
    assert(error.message.startsWith("it is cut off"), error.message);
  }
});

const HOSTILE: Readonly<Record<string, readonly TestEntry[]>> = {
  "a name that escapes": [{ name: "../evil", content: "x" }],
  "a name that escapes after a subfolder": [{ name: "a/../../evil", content: "x" }],
  "an absolute name": [{ name: "/etc/passwd", content: "x" }],
  "a long name (pax) that escapes": [paxEntry({ path: "a/../../evil" }), { name: "a", content: "x" }],
  "a long name (GNU) that escapes": [
    { name: "././@LongLink", type: "L", content: "../evil\0" },
    { name: "a", content: "x" },
  ],
  "a prefix that escapes": [{ name: "evil", prefix: "..", content: "x" }],
  "a symbolic link": [{ name: "model", type: "2", linkName: "/etc" }],
  "a hard link": [{ name: "a", content: "x" }, { name: "b", type: "1", linkName: "a" }],
  "a character device": [{ name: "null", type: "3" }],
  "a block device": [{ name: "sda", type: "4" }],
  "a FIFO": [{ name: "fifo", type: "6" }],
  "an unknown type": [{ name: "a", type: "Z", content: "x" }],
  "a GNU sparse file": [{ name: "a", type: "S", content: "x" }],
  "a pax sparse file": [paxEntry({ "GNU.sparse.major": "1" }), { name: "a", content: "x" }],
  "a duplicate name": [{ name: "a", content: "x" }, { name: "./a", content: "y" }],
  "a file that is also a directory": [{ name: "a", content: "x" }, { name: "a/b", content: "y" }],
  "a directory that is also a file": [{ name: "a/b", content: "y" }, { name: "a", content: "x" }],
  "a control character in a name": [{ name: "a\x1b[2J", content: "x" }],
  "a NUL in a pax name": [paxEntry({ path: "a\0b" }), { name: "a", content: "x" }],
  "a backslash": [{ name: "a\\b", content: "x" }],
  "a pax header of 2 MiB": [{ name: "pax", type: "x", content: "x".repeat(2 << 20) }],
  "a damaged pax header": [{ name: "pax", type: "x", content: "99 path=a\n" }],
  "a pax size that is not a number": [paxEntry({ size: "-1" }), { name: "a", content: "x" }],
  "a global header that renames files": [paxEntry({ path: "b" }, "g"), { name: "a", content: "x" }],
  "a name of 5000 characters": [paxEntry({ path: "a/".repeat(2500) + "b" }), { name: "a", content: "x" }],
  "a name of 200 folders": [paxEntry({ path: "a/".repeat(200) + "b" }), { name: "a", content: "x" }],
  "names of ten million characters": Array.from({ length: 2500 }, (_, n) => [
    paxEntry({ path: `${n}/${`${"d".repeat(200)}/`.repeat(20)}a` }),
    { name: "a", content: "x" },
  ]).flat(),
  "truncated content": [{ name: "a", content: "x", size: 5000 }],
};

/** The paths of the model's files in an archive. */
async function unpack(archive: Uint8Array): Promise<string[]> {
  const entries = await entriesIn(archive, "files");
  const files = modelFiles([{ archive: archiveOf("folder"), entries }], "oci://r/m");
  return sortedFiles(files, "oci://r/m").map((file) => file.path);
}

async function assertRefused(archive: Uint8Array, message?: string): Promise<void> {
  const error = await assertRejects(() => unpack(archive), Error, undefined, message);
  assert(error instanceof TarFault || (error instanceof AimError && error.kind === "integrity"), `${error}`);
}

for (const [what, entries] of Object.entries(HOSTILE)) {
  Deno.test(`an archive with ${what} is refused`, async () => {
    await assertRefused(makeTar(entries));
  });
}

Deno.test("an archive with a damaged byte in a header is refused", async () => {
  const whole = makeTar([{ name: "m/config.json", content: "{}" }, {
    name: "m/a",
    content: "x".repeat(600),
  }]);
  for (let at = 0; at < 512; at++) {
    // The byte after the checksum is unused.
    if (at === 155) continue;
    const damaged = whole.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await assertRefused(damaged, `byte ${at}`);
  }
  for (let length = 0; length < whole.length - 1024; length += 100) {
    await assertRefused(whole.slice(0, length), `${length} bytes`);
  }
  await assertRefused(new Uint8Array([...whole, ...whole]));
});

Deno.test("leading folders that all files share are removed", async () => {
  const files = [{ name: "a/model/config.json", content: "{}" }, { name: "a/model/sub/x", content: "x" }];
  assertEquals(await unpack(makeTar(files)), ["config.json", "sub/x"]);
  assertEquals((await unpack(makeTar([...files, { name: "README.md", content: "x" }]))).sort(), [
    "README.md",
    "a/model/config.json",
    "a/model/sub/x",
  ]);
});

Deno.test("upper layers of an image replace and remove files of lower layers, but only in /models", async () => {
  const layers = [
    [
      { name: "bin/sh", type: "2", linkName: "busybox" },
      { name: "models/", type: "5" },
      { name: "models/config.json", content: "old" },
      { name: "models/gone.txt", content: "x" },
      { name: "models/emptied/a", content: "x" },
      { name: "models/emptied/b", content: "x" },
      { name: "models/was_file", content: "x" },
      { name: "models/was_folder/a", content: "x" },
    ],
    [
      { name: "models/config.json", content: "new" },
      { name: "models/.wh.gone.txt" },
      { name: "models/emptied/.wh..wh..opq" },
      { name: "models/emptied/c", content: "x" },
      { name: "models/was_file/now", content: "x" },
      { name: "models/was_folder", content: "x" },
      { name: "modelsnot/a", content: "x" },
    ],
  ];
  const made = await Promise.all(layers.map(async (entries): Promise<Layer> => ({
    archive: archiveOf("image"),
    entries: await entriesIn(makeTar(entries), "image"),
  })));
  const files = modelFiles(made, "oci://r/m");
  assertEquals(files.map((file) => file.path).sort(), [
    "config.json",
    "emptied/c",
    "was_file/now",
    "was_folder",
  ]);
  const config = files.find((file) => file.path === "config.json");
  assertEquals(config?.etag, await sha256(new TextEncoder().encode("new")));
  for (
    const [what, entry] of [
      ["a link in /models", { name: "models/x", type: "2", linkName: "/etc/passwd" }],
      ["/models that is a link", { name: "models", type: "2", linkName: "/etc" }],
      ["/models that is a file", { name: "models", content: "x" }],
    ] as const
  ) {
    await assertRejects(() => entriesIn(makeTar([entry]), "image"), TarFault, undefined, what);
  }
});

Deno.test("a whiteout of /models removes all its files in lower layers", async () => {
  const layers = [[{ name: "models/a", content: "x" }], [{ name: ".wh.models" }, {
    name: "models/b",
    content: "y",
  }]];
  const made = await Promise.all(layers.map(async (entries): Promise<Layer> => ({
    archive: archiveOf("image"),
    entries: await entriesIn(makeTar(entries), "image"),
  })));
  assertEquals(modelFiles(made, "oci://r/m").map((file) => file.path), ["b"]);
});

let archives = 0;
function archiveOf(kind: Archive["kind"]): Archive {
  const hex = `${++archives}`.padStart(64, "0");
  const path = "layer" as Archive["file"]["path"];
  return {
    file: { path, size: 1, digest: { algorithm: "sha256", hex }, etag: hex },
    kind,
    path: null,
  };
}

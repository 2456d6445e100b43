// Python's metadata of files that a transfer has noted itself.
import { assert, assertEquals } from "@std/assert";
import { localPlacement } from "../../src/cache/local_placement.ts";
import { readMetadata } from "../../src/cache/python_metadata.ts";
import type { CommitSha, Manifest, RelativePath } from "../../src/sources/manifest.ts";
import type { TransferResult } from "../../src/transfer/types.ts";

const NOW = Date.now();
const COMMIT = "0123456789abcdef0123456789abcdef01234567" as CommitSha;

/** How a file stands when it is published: its note's time and when it was modified, milliseconds since 1970. */
const FILES: Record<string, { noted: number | null; modified: number }> = {
  "noted.json": { noted: NOW, modified: NOW - 1_000 },
  "of a server ahead.json": { noted: NOW, modified: NOW + 3_600_000 },
  "large.bin": { noted: null, modified: NOW - 1_000 },
};

Deno.test("what a transfer has noted is not written again, unless Python would not believe it", async () => {
  const root = await Deno.makeTempDir();
  try {
    const placement = localPlacement({
      paths: { root, hub: `${root}/hub`, hfHome: root },
      name: "org/model",
    });
    const files = Object.keys(FILES).map((path) => ({
      path: path as RelativePath,
      size: 1,
      digest: null,
      etag: "e7a9",
    }));
    const manifest: Manifest = { source: "hf://org/model", revision: "main", commit: COMMIT, files };
    await placement.secure();
    const plan = await placement.begin(manifest, await placement.plan(manifest));
    const result: TransferResult = {
      ...{ bytesMoved: 3, bytesPresent: 0, elapsed: 1 },
      files: plan.items.map((item) => {
        const { noted, modified } = FILES[item.file.path] ?? { noted: null, modified: NOW };
        const target = item.target({});
        Deno.writeTextFileSync(target, "x");
        Deno.utimeSync(target, modified / 1000, modified / 1000);
        assert(item.note !== undefined);
        // A fourth line tells whose it is; Python reads three.
        if (noted !== null) {
          Deno.writeTextFileSync(item.note.path, `${item.note.head}${noted / 1000}\nnote\n`);
        }
        return { file: item.file, target, digests: {}, proof: "size", noted };
      }),
    };
    await placement.publish(manifest, plan, result);
    const directory = `${root}/org/model`;
    for (const [path, { modified }] of Object.entries(FILES)) {
      const metadata = await readMetadata(directory, path);
      assertEquals([metadata?.commit, metadata?.etag], [COMMIT, "e7a9"], path);
      assert((metadata?.timestamp ?? 0) * 1000 >= modified, path);
    }
    const kept = Object.keys(FILES).filter((path) =>
      Deno.readTextFileSync(`${directory}/.cache/huggingface/download/${path}.metadata`).endsWith("note\n")
    );
    assertEquals(kept, ["noted.json"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

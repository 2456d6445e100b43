import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { compileCaches } from "../../src/engine/compile_caches.ts";
import { parseVersion } from "../../src/engine/engine_version.ts";
import { networkFileSystem } from "../../src/engine/network_file_system.ts";
import { mountVolume, REFUSED } from "../cache/volumes.ts";

const VERSION = parseVersion("0.27.1");
const IMAGE = { AIM_BASE_IMAGE_REF: "registry/base:1" };
const caches = (root: string, env: Record<string, string> = {}) =>
  compileCaches(root, "MI300X", VERSION, { ...IMAGE, ...env });

Deno.test("compiled code is stored on the cache volume per accelerator, engine version and image", async () => {
  const root = await Deno.makeTempDir();
  try {
    const env = await caches(root);
    assertEquals(Object.keys(env).sort(), [
      "AITER_JIT_DIR",
      "TORCHINDUCTOR_CACHE_DIR",
      "TRITON_CACHE_DIR",
      "VLLM_CACHE_ROOT",
    ]);
    const folder = env.VLLM_CACHE_ROOT?.replace(/\/vllm$/, "") ?? "";
    assert(folder.startsWith(`${root}/.aim/compiled/MI300X-0.27.1-`), folder);
    assertEquals([...Deno.readDirSync(folder)], []);
    assertEquals(await caches(root), env);
    assertNotEquals(await compileCaches(root, "MI325X", VERSION, IMAGE), env);
    assertNotEquals(await compileCaches(root, "MI300X", null, IMAGE), env);
    assertNotEquals(await compileCaches(root, "MI300X", VERSION, {}), env);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("a user's variable for compiled code is not overridden", async () => {
  const root = await Deno.makeTempDir();
  try {
    const env = await caches(root, { VLLM_CACHE_ROOT: "/mine" });
    assertEquals("VLLM_CACHE_ROOT" in env, false);
    assertEquals("TRITON_CACHE_DIR" in env, true);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("compiled code is stored in a temporary directory if the volume is not writable", async () => {
  const base = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${base}/file`, "");
    const env = await caches(`${base}/file`, { TMPDIR: base });
    assert(env.VLLM_CACHE_ROOT?.startsWith(`${base}/aim-compiled-${Deno.uid()}-MI300X-`));
    assertEquals(await caches(`${base}/file`, { TMPDIR: `${base}/file` }), {});
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test({
  name: `compiled code is stored in a temporary directory if another user owns the folder${
    Deno.uid() === 0 ? "" : " (skipped: only root can change the owner)"
  }`,
  ignore: Deno.uid() !== 0,
  async fn() {
    const base = await Deno.makeTempDir();
    try {
      const own = await caches(`${base}/cache`);
      await Deno.chown(own.VLLM_CACHE_ROOT?.replace(/\/vllm$/, "") ?? "", 1000, 1000);
      const other = await caches(`${base}/cache`, { TMPDIR: base });
      assert(other.VLLM_CACHE_ROOT?.startsWith(`${base}/aim-compiled-`));
    } finally {
      await Deno.remove(base, { recursive: true });
    }
  },
});

Deno.test("a local or missing path is not on a network file system", () => {
  assertEquals([networkFileSystem("/"), networkFileSystem("/nowhere")], [null, null]);
});

Deno.test({
  name: `a FUSE file system counts as a network file system${
    REFUSED.exfat === null ? "" : ` (skipped: ${REFUSED.exfat})`
  }`,
  ignore: REFUSED.exfat !== null,
  async fn() {
    const at = await Deno.makeTempDir();
    try {
      await using volume = await mountVolume("exfat", at);
      assertEquals(networkFileSystem(volume.path), "FUSE");
    } finally {
      await Deno.remove(at, { recursive: true });
    }
  },
});

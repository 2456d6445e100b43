// A complete model in the cache is used if its source is unreachable or the cache is read-only.
import { assertEquals, assertRejects } from "@std/assert";
import { AimError } from "../../src/errors/aim_error.ts";
import { aim } from "../cli/aim.ts";
import { asBytes, LAYOUTS, MODEL, modelFiles, startCaches } from "./caches.ts";
import { NO_USERS, openStage } from "./as_user.ts";

for (const layout of LAYOUTS) {
  const flags = layout === "hub" ? ["--use-hf-cache"] : [];

  Deno.test(`with the hub down, a complete model in the ${layout} layout is used, a partial one is not`, async () => {
    await using caches = await startCaches();
    const before = await caches.download({ layout });
    await caches.hub.close();
    const command = ["download-to-cache", "org/model", ...flags, "--format", "json"];
    const ran = await aim(command, { env: caches.env });
    assertEquals(ran.code, 0, ran.stderr);
    const report = JSON.parse(ran.stdout);
    assertEquals([report.path, report.bytesMoved], [before.path, 0]);
    assertEquals(await modelFiles(before.path), asBytes(MODEL));
    const forced = await aim([...command, "--force"], { env: caches.env });
    assertEquals(forced.code, 6, forced.stderr);
    await Deno.remove(`${before.path}/model-00001-of-00002.safetensors`);
    const partial = await aim(command, { env: caches.env });
    assertEquals(partial.code, 6, partial.stderr);
  });

  Deno.test({
    name: `a complete model in a read-only cache is used in the ${layout} layout${
      NO_USERS === null ? "" : ` (skipped: ${NO_USERS})`
    }`,
    ignore: NO_USERS !== null,
    async fn() {
      await using caches = await startCaches();
      await using stage = await openStage();
      const { path } = await caches.download({ layout });
      // Without a record, as another tool leaves it.
      const record = layout === "local"
        ? `${path}/.aim`
        : `${caches.paths.hfHubCache}/models--org--model/.aim`;
      await Deno.remove(record, { recursive: true });
      await Deno.chmod(caches.cache.slice(0, caches.cache.lastIndexOf("/")), 0o755);
      const command = ["download-to-cache", "org/model", ...flags, "--format", "json"];
      const ran = await stage.aim({ uid: 4321, gid: 4321 }, command, caches.env);
      assertEquals(ran.code, 0, ran.stderr);
      assertEquals(JSON.parse(ran.stdout).path, path);
      await caches.hub.push("org/model", "config.json", "{}");
      const outdated = await stage.aim({ uid: 4321, gid: 4321 }, command, caches.env);
      assertEquals(outdated.code, 7, outdated.stderr);
    },
  });
}

Deno.test("a cached model from another source does not replace an unreachable one of the same name", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "local" });
  await caches.s3.close();
  const error = await assertRejects(
    () => caches.download({ layout: "local", uri: "s3://models/org/model" }),
    AimError,
  );
  assertEquals(error.kind, "network");
});

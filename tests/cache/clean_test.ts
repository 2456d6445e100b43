// aim cache list, prune and remove, run as commands.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { listModels } from "../../src/cache/list_models.ts";
import { planPrune, planRemoval, removePlanned } from "../../src/cache/clean_cache.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { aim, DENO_RUN, MAIN, plainEnvironment } from "../cli/aim.ts";
import { safetensorsBytes } from "../servers/content.ts";
import {
  asBytes,
  type Caches,
  HUB_MODEL,
  installed,
  LAYOUTS,
  MODEL,
  modelFiles,
  run,
  startCaches,
} from "./caches.ts";
import { treeOf } from "./tree_of.ts";

const HUB = "hub/models--org--model";
const SHARD = "model-00001-of-00002.safetensors";

Deno.test("cache list shows every revision of both layouts with its state and du's size, hard links counted once", async () => {
  await using caches = await startCaches({
    refs: { dev: { ...MODEL, "config.json": '{"model_type":"o"}\n' } },
  });
  await caches.download({ layout: "local" });
  await caches.download({ layout: "hub" });
  await caches.download({ layout: "hub", revision: "dev" });
  // Copied by hand, and an unfinished one.
  await Deno.mkdir(`${caches.cache}/by/hand`, { recursive: true });
  for (const [path, text] of [["config.json", "{}"], ["model.gguf", "GGUF"]]) {
    await Deno.writeTextFile(`${caches.cache}/by/hand/${path}`, text ?? "");
  }
  await Deno.mkdir(`${caches.cache}/half/done`, { recursive: true });
  await Deno.writeTextFile(`${caches.cache}/half/done/${SHARD}`, "x");
  const ran = await aim(["cache", "list", "--format", "json"], { env: caches.env });
  assertEquals(ran.code, 0, ran.stderr);
  const { folders } = JSON.parse(ran.stdout);
  const rows = folders.flatMap((folder: { models: Record<string, unknown>[] }) =>
    folder.models.map((
      { name, layout, revision, state, files, bytes },
    ) => [name, layout, revision, state, files, bytes])
  );
  const size = [...asBytes(MODEL).values()].reduce((sum, bytes) => sum + bytes.length, 0);
  // Snapshots are sorted by commit.
  assertEquals(rows.slice(0, 3), [
    ["by/hand", "local", null, "unverified", 2, 6],
    ["half/done", "local", null, "partial", 1, 1],
    ["org/model", "local", "main", "complete", 7, size],
  ]);
  assertEquals(
    new Set(rows.slice(3).map((row: unknown[]) => row.join())),
    new Set([
      `org/model,hub,main,complete,7,${size}`,
      `org/model,hub,dev,complete,7,${size - "llama".length + "o".length}`,
    ]),
  );
  const paths = folders.map((folder: { path: string }) => folder.path);
  const total = folders.reduce((sum: number, folder: { diskBytes: number }) => sum + folder.diskBytes, 0);
  assertEquals(total, await du(...paths));
  const table = await aim(["cache", "list"], { env: caches.env });
  assertMatch(table.stdout, /^MODEL +LAYOUT +REVISION +SIZE .*STATE$/m);
  assertMatch(
    table.stdout,
    /^half\/done +local +- .* partial: model-00002-of-00002\.safetensors is missing/m,
  );
  assertMatch(table.stdout, /^org\/model +hub +main /m);
});

Deno.test("cache prune removes only unneeded files and reports the bytes freed", async () => {
  await using caches = await startCaches({
    refs: { dev: { ...MODEL, [SHARD]: safetensorsBytes(90_000, 9) } },
  });
  const local = await caches.download({ layout: "local" });
  const main = await caches.download({ layout: "hub" });
  const dev = await caches.download({ layout: "hub", revision: "dev" });
  const pinned = await caches.download({ layout: "hub", revision: await pushed(caches) });
  const before = treeOf(caches.cache);
  const waste = [
    `${local.path}/nested/x.bin.aim-01234567.incomplete`,
    `${local.path}/nested/x.bin.aim-01234567.incomplete.parts`,
    `${local.path}/.aim/manifest.json.01234567.tmp`,
    `${local.path}/.cache/huggingface/download/abc.def.incomplete`,
    `${caches.cache}/${HUB}/blobs/${"a".repeat(64)}.incomplete`,
    `${caches.cache}/${HUB}/blobs/${"b".repeat(64)}`,
  ];
  for (const path of waste) {
    await Deno.writeTextFile(path, "x".repeat(10_000));
    await Deno.utime(path, 1, 1);
  }
  // A blob that Python is writing right now.
  const fresh = `${caches.cache}/${HUB}/blobs/${"c".repeat(64)}`;
  await Deno.writeTextFile(fresh, "");
  const used = await du(caches.cache);
  const ran = await aim(["cache", "prune", "--yes", "--format", "json"], { env: caches.env });
  assertEquals(ran.code, 0, ran.stderr);
  const { removed, freedBytes } = JSON.parse(ran.stdout);
  assertEquals(removed.map(({ path }: { path: string }) => path).sort(), waste.sort());
  assertEquals(used - await du(caches.cache), freedBytes);
  await Deno.remove(fresh);
  assertEquals(treeOf(caches.cache), before);
  // Without its ref, dev's snapshot and its only unshared blob are unneeded. The snapshot that was requested
  // by commit stays.
  await Deno.remove(`${caches.cache}/${HUB}/refs/dev`);
  await agedBlobs(caches);
  assertEquals((await aim(["cache", "prune", "--yes"], { env: caches.env })).code, 0);
  assertEquals(await modelFiles(main.path), asBytes(MODEL));
  assert((await modelFiles(pinned.path)).size > 0);
  await assertRejects(() => Deno.stat(dev.path), Deno.errors.NotFound);
  const names = [...Deno.readDirSync(`${caches.cache}/${HUB}/blobs`)].map((entry) => entry.name);
  assertEquals(names.length, new Set([...asBytes(MODEL).values()].map(String)).size + 1);
  assertEquals(await planPrune(caches.paths), []);
});

Deno.test("prune and remove do not touch a model that is being downloaded, in either layout", async () => {
  await Promise.all(LAYOUTS.map(async (layout) => {
    await using caches = await startCaches({
      files: { ...MODEL, "big.safetensors": safetensorsBytes(5_000_000, 5) },
    });
    const flags = layout === "hub" ? ["--use-hf-cache"] : [];
    const download = new Deno.Command(Deno.execPath(), {
      args: [
        ...[...DENO_RUN, MAIN, "download-to-cache", "--model-id", HUB_MODEL, "--max-bandwidth", "1M"],
        ...["--progress", "none", ...flags],
      ],
      clearEnv: true,
      env: { ...plainEnvironment(), ...caches.env },
      ...{ stdin: "null", stdout: "null", stderr: "piped" },
    }).spawn();
    const folder = layout === "hub" ? `${caches.cache}/${HUB}/blobs` : `${caches.cache}/org/model`;
    while (!namesIn(folder).some((name) => name.endsWith(".incomplete"))) {
      await new Promise((done) => setTimeout(done, 50));
    }
    const [pruned, removed] = await Promise.all([
      aim(["cache", "prune", "--yes"], { env: caches.env }),
      aim(["cache", "remove", "org/model", "--yes"], { env: caches.env }),
    ]);
    assert(
      namesIn(folder).some((name) => name.endsWith(".incomplete")),
      "the download finished too early",
    );
    assertEquals([pruned.code, removed.code], [0, 7], removed.stderr);
    for (const { stdout, stderr } of [pruned, removed]) {
      assertEquals(stdout, "nothing to remove\n");
      assertMatch(stderr, /org\/model \(.*\) is .*: process \d+ on .* is downloading it/);
    }
    const { code, stderr } = await download.output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const [listed] = await listModels(caches.paths);
    assertEquals([listed?.layout, listed?.models[0]?.state], [layout, "complete"]);
    assertEquals((await modelFiles(listed?.models[0]?.path ?? "")).size, Object.keys(MODEL).length + 1);
  }));
});

Deno.test("a partial file of Python's client is left alone until it has not changed for a long time", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "hub" });
  const partial = `${caches.cache}/${HUB}/blobs/${"a".repeat(64)}.incomplete`;
  await Deno.writeTextFile(partial, "half");
  const [busy] = await planPrune(caches.paths);
  assertMatch(busy?.busy ?? "", /another program/);
  const [folder] = await listModels(caches.paths);
  assert(folder !== undefined);
  assertMatch((await planRemoval(folder)).busy ?? "", /another program/);
  await Deno.utime(partial, 1, 1);
  const [stale] = await planPrune(caches.paths);
  assertEquals([stale?.busy, stale?.removables.map(({ path }) => path)], [null, [partial]]);
});

Deno.test("cache remove frees what it reports: nothing while the other layout has hard links to the same files", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "local" });
  await caches.download({ layout: "hub" });
  for (const layout of ["hub", "local"]) {
    const used = await du(caches.cache);
    const ran = await aim(["cache", "remove", "org/model", "--layout", layout, "--yes", "--format", "json"], {
      env: caches.env,
    });
    assertEquals(ran.code, 0, ran.stderr);
    const { freedBytes } = JSON.parse(ran.stdout);
    const left = await du(caches.cache);
    // A local model's organisation folder is removed too if it is empty.
    const organisation = layout === "local" ? 4096 : 0;
    assert(Math.abs(used - left - freedBytes) <= organisation, `${used - left} ${freedBytes}`);
    if (layout === "hub") assertEquals(await modelFiles(`${caches.cache}/org/model`), asBytes(MODEL));
  }
  assertEquals(treeOf(caches.cache), ["hub/"]);
});

Deno.test("without --yes and a terminal, prune and remove exit 2 and remove nothing", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "local" });
  await Deno.writeTextFile(`${caches.cache}/org/model/x.aim-01234567.incomplete`, "x");
  const before = treeOf(caches.cache);
  for (const args of [["cache", "remove", "org/model"], ["cache", "prune"]]) {
    const ran = await aim(args, { env: caches.env });
    assertEquals(ran.code, 2);
    assertMatch(ran.stderr, /--yes/);
    assertEquals(treeOf(caches.cache), before);
  }
});

Deno.test({
  name: `at a terminal, cache remove asks first${
    installed("script") ? "" : " (skipped: script is not installed)"
  }`,
  ignore: !installed("script"),
  async fn() {
    await using caches = await startCaches();
    await caches.download({ layout: "local" });
    const before = treeOf(caches.cache);
    for (const [answer, gone] of [["n", false], ["", false], ["y", true]] as const) {
      const command = [Deno.execPath(), ...DENO_RUN, MAIN, "cache", "remove", "org/model"].join(" ");
      const terminal = new Deno.Command("script", {
        args: ["-qefc", command, "/dev/null"],
        clearEnv: true,
        env: { ...plainEnvironment(), ...caches.env, TERM: "xterm" },
        ...{ stdin: "piped", stdout: "piped", stderr: "null" },
      }).spawn();
      const text = await answerAt(terminal, /\[y\/N\]/, `${answer}\r`);
      assertEquals((await terminal.status).code, 0, text);
      assertMatch(text, gone ? /removed, .* freed/ : /nothing was removed/);
      assertMatch(text, /org\/model +\(the model\)/);
      assertEquals(treeOf(caches.cache), gone ? [] : before);
    }
  },
});

Deno.test("cache remove refuses a folder that contains other models", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "local" });
  await Deno.writeTextFile(`${caches.cache}/org/config.json`, "{}");
  const ran = await aim(["cache", "remove", "org", "--yes"], { env: caches.env });
  assertEquals(ran.code, 2, ran.stdout);
  assertMatch(ran.stderr, /the model org\/model is in .*\/org, and would be removed too/);
  assertEquals(await modelFiles(`${caches.cache}/org/model`), asBytes(MODEL));
});

Deno.test("removing a folder removes a link in it but not the link's target", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "local" });
  await Deno.mkdir(`${caches.cache}/solo`);
  await Deno.writeTextFile(`${caches.cache}/solo/config.json`, "{}");
  await Deno.symlink("../org/model", `${caches.cache}/solo/linked`);
  const ran = await aim(["cache", "remove", "solo", "--yes"], { env: caches.env });
  assertEquals(ran.code, 0, ran.stderr);
  assertEquals(namesIn(caches.cache), ["org"]);
  assertEquals(await modelFiles(`${caches.cache}/org/model`), asBytes(MODEL));
});

Deno.test("a snapshot that is used again after the removal was planned is kept", async () => {
  await using caches = await startCaches();
  await caches.download({ layout: "hub" });
  const commit = caches.hub.commit("org/model");
  const ref = `${caches.cache}/${HUB}/refs/main`;
  await Deno.writeTextFile(ref, "d".repeat(40));
  await agedBlobs(caches);
  const [plan] = await planPrune(caches.paths);
  assert(plan !== undefined && plan.removables.length > 1);
  await Deno.writeTextFile(ref, commit);
  assertEquals(await removePlanned(plan, new AbortController().signal), []);
  assertEquals(await modelFiles(`${caches.cache}/${HUB}/snapshots/${commit}`), asBytes(MODEL));
});

Deno.test("a finished download removes stale leftovers of its own files, but no partial file of another revision", async () => {
  await using caches = await startCaches({
    refs: { dev: { ...MODEL, [SHARD]: safetensorsBytes(90_000, 9) } },
  });
  for (const layout of LAYOUTS) {
    const folder = layout === "hub" ? `${caches.cache}/${HUB}/blobs` : `${caches.cache}/org/model`;
    const stem = layout === "hub" ? caches.hub.digests("org/model", SHARD).sha256 : SHARD;
    const others = `${"e".repeat(64)}.aim-01234567.incomplete`;
    await Deno.mkdir(folder, { recursive: true });
    const files: Record<string, boolean> = {
      [`${stem}.aim-0000000a.incomplete`]: false,
      [`${stem}.aim-0000000a.incomplete.parts`]: false,
      ".link.aim-0000000b.incomplete": false,
      [others]: true,
      [`${others}.parts`]: true,
    };
    for (const name of Object.keys(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, "x");
      await Deno.utime(`${folder}/${name}`, 1, 1);
    }
    await caches.download({ layout });
    const left = new Set(namesIn(folder));
    for (const [name, stays] of Object.entries(files)) {
      assertEquals(left.has(name), stays, `${layout} ${name}`);
    }
    // Another process may be writing to a recent file.
    const fresh = `${folder}/${stem}.aim-0000000c.incomplete`;
    await Deno.writeTextFile(fresh, "x");
    await caches.download({ layout, include: ["*.json"], force: true });
    assert((await Deno.stat(fresh)).isFile);
  }
});

Deno.test("files of a model that are named like leftovers are kept", async () => {
  const odd = {
    ...MODEL,
    "state.01234567.tmp": "a",
    "x.incomplete": "b",
    ".link.aim-01234567.incomplete": "c",
    "nested/config.json.aim-01234567.incomplete": "d",
  };
  await using caches = await startCaches({ files: odd });
  for (const layout of LAYOUTS) {
    const { path } = await caches.download({ layout });
    await run("find", path, "-type", "f", "-exec", "touch", "-d", "@1", "{}", "+");
    await caches.download({ layout, include: ["*.json"], force: true });
    assertEquals(await planPrune(caches.paths), []);
    assertEquals([...(await modelFiles(path)).keys()], [...asBytes(odd).keys()]);
    const [model] = (await listModels(caches.paths)).filter((one) => one.layout === layout).flatMap((one) =>
      one.models
    );
    assertEquals(model?.state, "complete", model?.reason);
  }
});

Deno.test("a link that replaces a folder after the removal was planned is not followed", async () => {
  await using caches = await startCaches();
  for (const layout of LAYOUTS) {
    const { path } = await caches.download({ layout });
    const [folder] = (await listModels(caches.paths)).filter((one) => one.layout === layout);
    assert(folder !== undefined);
    const plan = await planRemoval(folder);
    await Deno.rename(folder.path, `${caches.cache}/../${layout}`);
    await Deno.symlink(await Deno.realPath(`${caches.cache}/../${layout}`), folder.path);
    const before = treeOf(`${caches.cache}/../${layout}`);
    const error = await assertRejects(() => removePlanned(plan, new AbortController().signal), AimError);
    assertMatch(error.message, /is a symbolic link/);
    assertEquals(treeOf(`${caches.cache}/../${layout}`), before);
    assertEquals(await modelFiles(path), asBytes(MODEL));
  }
});

/** Pushes a commit that is later referred to by its id. */
async function pushed(caches: Caches): Promise<string> {
  const main = caches.hub.commit("org/model");
  await caches.hub.push("org/model", "added.json", "{}");
  const commit = caches.hub.commit("org/model");
  assert(commit !== main);
  return commit;
}

/** Makes every blob old enough to be pruned. */
async function agedBlobs({ cache }: Caches): Promise<void> {
  for (const name of namesIn(`${cache}/${HUB}/blobs`)) {
    await Deno.utime(`${cache}/${HUB}/blobs/${name}`, 1, 1);
  }
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** Types an answer when the question appears; returns the whole output. */
async function answerAt(process: Deno.ChildProcess, question: RegExp, answer: string): Promise<string> {
  const keys = process.stdin.getWriter();
  let shown = "";
  let asked = false;
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    shown += text;
    if (asked || !question.test(shown)) continue;
    asked = true;
    await keys.write(new TextEncoder().encode(answer));
  }
  await keys.close().catch(() => {});
  return shown;
}

/** Bytes as du(1) counts them, hard links once. */
async function du(...paths: string[]): Promise<number> {
  return Number((await run("du", "-s", "-c", "--block-size=1", ...paths)).split("\n").at(-2)?.split("\t")[0]);
}

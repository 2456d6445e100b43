import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

const SCRIPTS = fromFileUrl(new URL("../../container/downloader/", import.meta.url));

/** A stand-in for `aim fetch`: copies `SOURCE` and exits with `CODE`; with `WAIT`, waits for SIGTERM. */
const FETCH = `#!/bin/sh
[ "$1" = fetch ] || exit 99
mkdir -p "$3" && cp -a "$SOURCE/." "$3/" || exit 98
if [ -n "\${WAIT:-}" ]; then touch "$WAIT"; trap 'exit 143' TERM; while :; do sleep 0.05; done; fi
exit \${CODE:-0}
`;

interface Disk extends AsyncDisposable {
  readonly root: string;
  /** The files that the stand-in "downloads". */
  readonly source: string;
  spawn(script: string, args: readonly string[], env?: Record<string, string>): Deno.ChildProcess;
  run(script: string, args: readonly string[], env?: Record<string, string>): Promise<number>;
}

async function makeDisk(): Promise<Disk> {
  const base = await Deno.makeTempDir();
  const root = `${base}/disk`, source = `${base}/source`;
  for (const folder of ["disk", "source", "bin"]) await Deno.mkdir(`${base}/${folder}`);
  await Deno.writeTextFile(`${base}/bin/aim`, FETCH, { mode: 0o755 });
  await Deno.writeTextFile(`${source}/adapter_config.json`, '{"r":8}');
  await Deno.writeTextFile(`${source}/adapter_model.safetensors`, "new", { mode: 0o600 });
  const spawn: Disk["spawn"] = (script, args, env = {}) =>
    new Deno.Command("sh", {
      args: [`${SCRIPTS}${script}`, ...args],
      clearEnv: true,
      env: {
        PATH: `${base}/bin:/usr/bin:/bin`,
        ADAPTER_PVC_ROOT: root,
        SOURCE: source,
        SERVICE_ID: "svc",
        ADAPTER_PATH: "a",
        JOB_ID: "1",
        ...env,
      },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  return {
    root,
    source,
    spawn,
    run: async (...call) => (await spawn(...call).status).code,
    [Symbol.asyncDispose]: () => Deno.remove(base, { recursive: true }),
  };
}

const live = (disk: Disk) => Deno.readTextFile(`${disk.root}/svc/a/adapter_model.safetensors`);

Deno.test("adapter-stage.sh installs or replaces an adapter, readable by all, and leaves no temporary files", async () => {
  await using disk = await makeDisk();
  assertEquals(await disk.run("adapter-stage.sh", ["hf://org/adapter"]), 0);
  assertEquals(await live(disk), "new");
  const { mode } = await Deno.stat(`${disk.root}/svc/a/adapter_model.safetensors`);
  assertEquals((mode ?? 0) & 0o777, 0o644);
  await Deno.writeTextFile(`${disk.source}/adapter_model.safetensors`, "newer");
  assertEquals(await disk.run("adapter-stage.sh", ["hf://org/adapter"], { JOB_ID: "2" }), 0);
  assertEquals(await live(disk), "newer");
  assertEquals([
    ...Deno.readDirSync(`${disk.root}/.staging/svc`),
    ...Deno.readDirSync(`${disk.root}/.aside/svc`),
  ], []);
});

Deno.test("adapter-stage.sh keeps the served adapter if the new one fails, contains a symlink or is incomplete", async () => {
  await using disk = await makeDisk();
  assertEquals(await disk.run("adapter-stage.sh", ["u"]), 0);
  await Deno.writeTextFile(`${disk.source}/adapter_model.safetensors`, "newer");
  assertEquals(await disk.run("adapter-stage.sh", ["u"], { CODE: "6" }), 6);
  await Deno.symlink("/etc/passwd", `${disk.source}/link`);
  assertEquals(await disk.run("adapter-stage.sh", ["u"]), 1);
  await Deno.remove(`${disk.source}/link`);
  await Deno.remove(`${disk.source}/adapter_config.json`);
  assertEquals(await disk.run("adapter-stage.sh", ["u"]), 1);
  assertEquals(await live(disk), "new");
  assertEquals([...Deno.readDirSync(`${disk.root}/.staging/svc`)], []);
});

Deno.test("adapter-stage.sh forwards SIGTERM to the download", async () => {
  await using disk = await makeDisk();
  const started = `${disk.root}/started`;
  const child = disk.spawn("adapter-stage.sh", ["u"], { WAIT: started });
  while (!await Deno.stat(started).then(() => true, () => false)) await new Promise((r) => setTimeout(r, 10));
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 143);
  assertEquals([...Deno.readDirSync(`${disk.root}/.staging/svc`)], []);
});

for (
  const [name, value] of [
    ["SERVICE_ID", ""],
    ["SERVICE_ID", "../x"],
    ["ADAPTER_PATH", "a/b"],
    [
      "ADAPTER_PATH",
      "..",
    ],
    ["JOB_ID", ".x"],
    ["ADAPTER_PATH", "a b"],
  ] as const
) {
  Deno.test(`adapter-stage.sh refuses ${name}=${JSON.stringify(value)}`, async () => {
    await using disk = await makeDisk();
    assertEquals(await disk.run("adapter-stage.sh", ["u"], { [name]: value }), 2);
    assertEquals([...Deno.readDirSync(disk.root)], []);
  });
}

for (const planted of [".staging", ".aside", "svc", "svc/a"]) {
  Deno.test(`adapter-stage.sh does not write through a symlink at ${planted}`, async () => {
    await using disk = await makeDisk();
    const outside = `${disk.source}/../outside`;
    await Deno.mkdir(outside);
    await Deno.writeTextFile(`${outside}/victim`, "");
    if (planted === "svc/a") await Deno.mkdir(`${disk.root}/svc`);
    await Deno.symlink(outside, `${disk.root}/${planted}`);
    assertEquals(await disk.run("adapter-stage.sh", ["u"]), 1);
    assertEquals([...Deno.readDirSync(outside)].map((e) => e.name), ["victim"]);
  });
}

Deno.test("adapter-stage.sh creates a dummy adapter for the operator's tests", async () => {
  await using disk = await makeDisk();
  const env = { AIM_DEBUG_SIMULATE_PROMOTE: "1", ADAPTER_BASE_MODEL_ID: "org/base", ADAPTER_RANK: "16" };
  assertEquals(await disk.run("adapter-stage.sh", ["u"], env), 0);
  const config = JSON.parse(await Deno.readTextFile(`${disk.root}/svc/a/adapter_config.json`));
  assertEquals(config, { base_model_name_or_path: "org/base", r: 16 });
  assertEquals((await Deno.stat(`${disk.root}/svc/a/adapter_model.safetensors`)).size, 8192);
});

Deno.test("adapter-subtree-sync.sh creates the service's folder and removes unlisted adapters", async () => {
  await using disk = await makeDisk();
  assertEquals(await disk.run("adapter-subtree-sync.sh", [], { KEEP_ADAPTER_PATHS: "" }), 0);
  assert((await Deno.stat(`${disk.root}/svc`)).isDirectory);
  for (const name of ["a", "ab", "b", "lost+found"]) await Deno.mkdir(`${disk.root}/svc/${name}`);
  await Deno.symlink(disk.source, `${disk.root}/svc/link`);
  assertEquals(await disk.run("adapter-subtree-sync.sh", [], { KEEP_ADAPTER_PATHS: "b,a" }), 0);
  assertEquals([...Deno.readDirSync(`${disk.root}/svc`)].map((e) => e.name).sort(), ["a", "b", "lost+found"]);
  assert((await Deno.stat(`${disk.source}/adapter_config.json`)).isFile);
  assertEquals(await disk.run("adapter-subtree-sync.sh", []), 2);
});

Deno.test("adapter-reap.sh removes other services and old leftovers, but keeps .staging and .aside", async () => {
  await using disk = await makeDisk();
  for (const name of ["svc", "gone", "lost+found", ".staging/svc/a.1", ".aside/svc/a.1"]) {
    await Deno.mkdir(`${disk.root}/${name}`, { recursive: true });
  }
  await Deno.symlink(disk.source, `${disk.root}/link`);
  assertEquals(
    await disk.run("adapter-reap.sh", [], { KEEP_SERVICE_IDS: "svc", MIN_AGE_SECONDS: "1000" }),
    0,
  );
  const names = (path: string) => [...Deno.readDirSync(`${disk.root}/${path}`)].map((e) => e.name).sort();
  assertEquals(names(""), [".aside", ".staging", "lost+found", "svc"]);
  assertEquals(names(".staging/svc"), ["a.1"]);
  assertEquals(await disk.run("adapter-reap.sh", [], { KEEP_SERVICE_IDS: "svc" }), 0);
  assertEquals([names(""), names(".staging"), names(".aside")], [
    [".aside", ".staging", "lost+found", "svc"],
    [],
    [],
  ]);
  assert((await Deno.stat(`${disk.source}/adapter_config.json`)).isFile);
});

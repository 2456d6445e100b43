// Users, groups, and file systems that refuse writes.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { resolveModel } from "../../src/cache/resolve_model.ts";
import { DENO_RUN, MAIN, plainEnvironment } from "../cli/aim.ts";
import { NO_USERS, openStage, type User } from "./as_user.ts";
import { type Caches, HUB_MODEL, installed, LAYOUTS, run, startCaches } from "./caches.ts";
import { mountVolume, REFUSED, type VolumeKind } from "./volumes.ts";

function asUsers(name: string, kind: VolumeKind | null, fn: () => Promise<void>): void {
  const refused = NO_USERS ?? (kind === null ? null : REFUSED[kind]);
  const skipped = refused === null ? "" : ` (skipped: ${refused.split("\n")[0]})`;
  Deno.test({ name: `${name}${skipped}`, ignore: refused !== null, fn });
}

const DOWNLOAD = ["download-to-cache", "--model-id", HUB_MODEL, "--progress", "none"];
/** All tests, as in CI, instead of a selection. */
const FULL = Deno.env.get("AIM_TEST_FULL") === "1";
const USER: User = { uid: 1000, gid: 1000 };

asUsers(
  "user 1000 can download, resolve, verify, list and remove a model on its own volume below a folder of root",
  "ext4",
  async () => {
    await using caches = await startCaches();
    const directory = `${caches.cache}/org/model`;
    await using _ = await mountVolume("ext4", directory);
    await Deno.chown(directory, 1000, 1000);
    await openToAll(caches);
    await using stage = await openStage();
    const aim = (...args: string[]) => stage.aim(USER, args, { ...caches.env, HF_HOME: "/nowhere" });
    const first = await aim(...DOWNLOAD);
    assertEquals(first.code, 0, first.stderr);
    const second = await aim(...DOWNLOAD, "--format", "json");
    assertEquals([second.code, JSON.parse(second.stdout).bytesMoved], [0, 0], second.stderr);
    for (const args of [["resolve", "org/model"], ["cache", "verify"], ["cache", "prune", "--yes"]]) {
      const ran = await aim(...args);
      assertEquals(ran.code, 0, `${args.join(" ")}: ${ran.stderr}`);
    }
    const listed = await aim("cache", "list", "--format", "json");
    assertEquals(JSON.parse(listed.stdout).folders[0].models[0].state, "complete", listed.stderr);
    assert((await Deno.lstat(`${directory}/config.json`)).uid === 1000);
    const removed = await aim("cache", "remove", "org/model", "--yes");
    assertEquals(removed.code, 0, removed.stderr);
    assertEquals([...Deno.readDirSync(directory)].map((entry) => entry.name), ["lost+found"]);
  },
);

asUsers(
  "a model that this user cannot read is listed as damaged without affecting others",
  null,
  async () => {
    await using caches = await startCaches();
    await caches.download({ layout: "hub" });
    await openToAll(caches);
    await using stage = await openStage();
    const aim = (...args: string[]) => stage.aim(USER, args, { ...caches.env, HF_HOME: caches.cache });
    for (const folder of ["snapshots", "refs", "blobs"]) {
      const unreadable = `${caches.paths.hfHubCache}/models--org--other/${folder}`;
      await Deno.mkdir(unreadable, { recursive: true, mode: 0o755 });
      await run("chmod", "755", `${unreadable}/..`);
      await Deno.chmod(unreadable, 0);
      const listed = await aim("cache", "list", "--format", "json");
      assertEquals(listed.code, 0, listed.stderr);
      const folders: { name: string; models: { state: string }[] }[] = JSON.parse(listed.stdout).folders;
      const states = folders.map(({ name, models }) => [name, models[0]?.state]);
      assertEquals(states, [["org/model", "complete"], ["org/other", "damaged"]]);
      const verified = await aim("cache", "verify");
      assertEquals(verified.code, 8, verified.stderr);
      assertMatch(verified.stdout, /org\/model .*: good, .*org\/other .*cannot be read .*Permission denied/s);
      await Deno.remove(unreadable);
    }
  },
);

for (const umask of ["002", "027", ...(FULL ? ["022"] : [])]) {
  asUsers(
    `with umask ${umask}, another user of the group (fsGroup) can read and resume user 1000's download`,
    null,
    async () => {
      await using caches = await startCaches();
      await Deno.mkdir(caches.cache);
      await Deno.chown(caches.cache, 0, 2000);
      await run("chmod", "2775", caches.cache);
      await openToAll(caches);
      await using stage = await openStage();
      const other: User = { uid: 3000, gid: 3000, groups: [2000], umask };
      for (const layout of FULL ? LAYOUTS : umask === "002" ? ["hub"] as const : ["local"] as const) {
        const args = [...DOWNLOAD, ...(layout === "hub" ? ["--use-hf-cache"] : [])];
        const first = await stage.aim({ ...USER, groups: [2000], umask }, args, caches.env);
        assertEquals(first.code, 0, first.stderr);
        for (const command of [["resolve", "org/model"], ["cache", "verify", "--layout", layout], args]) {
          const ran = await stage.aim(other, command, caches.env);
          assertEquals(ran.code, 0, `${command.join(" ")}: ${ran.stderr}`);
        }
        const [model] = [...Deno.readDirSync(caches.cache)];
        const { gid, mode } = await Deno.stat(`${caches.cache}/${model?.name}`);
        assertEquals([gid, (mode ?? 0) & 0o7777], [2000, 0o2777 & ~parseInt(umask, 8)]);
        const stranger = await stage.aim({ uid: 4000, gid: 4000 }, ["resolve", "org/model"], caches.env);
        if (umask === "027") {
          assertEquals(stranger.code, 5);
          assertMatch(stranger.stdout, /it cannot be read \(reading .*Permission denied/);
        } else {
          assertEquals(stranger.code, 0, stranger.stderr);
        }
        if (umask !== "002") {
          await run("rm", "-r", `${caches.cache}/${model?.name}`);
          continue;
        }
        // Removes a shard and the records of the first user's download; the other user downloads the shard.
        await run(
          "sh",
          "-c",
          `find ${caches.cache} -name 'model-00002*' -delete; rm -f ${caches.cache}/*/*/.aim/*.json`,
        );
        const again = await stage.aim(other, args, caches.env);
        assertEquals(again.code, 0, again.stderr);
        await run("rm", "-r", `${caches.cache}/${model?.name}`);
      }
    },
  );
}

interface Refusal {
  readonly name: string;
  readonly kind: VolumeKind | null;
  readonly user: User;
  /** Makes the cache's directory unwritable. */
  readonly prepare: (cache: string) => Promise<unknown>;
  readonly undo?: (cache: string) => Promise<unknown>;
  readonly says: RegExp;
}

/** root without capabilities, as on an NFS export with root_squash. */
const SQUASHED: User = { uid: 0, gid: 0 };

const REFUSALS: readonly Refusal[] = [
  {
    name: "squashed root (EACCES)",
    kind: null,
    user: SQUASHED,
    prepare: (cache) => Deno.chown(cache, 65534, 65534),
    says: /Permission denied.*check the owner and mode.*AIM_CACHE_PATH/,
  },
  {
    name: "an immutable directory (EPERM)",
    kind: "ext4",
    user: SQUASHED,
    prepare: (cache) => run("chattr", "+i", cache),
    undo: (cache) => run("chattr", "-i", cache),
    says: /Operation not permitted.*check the owner and mode.*AIM_CACHE_PATH/,
  },
  {
    name: "a read-only mount (EROFS)",
    kind: "ext4",
    user: SQUASHED,
    prepare: (cache) => run("mount", "-o", "remount,ro", cache),
    says: /Read-only file system.*mount it writable or set AIM_CACHE_PATH/,
  },
];

for (const { name, kind, user, prepare, undo, says } of REFUSALS) {
  asUsers(`${name} ends a download with exit 7, the path and a hint`, kind, async () => {
    await using caches = await startCaches();
    await using disposables = new AsyncDisposableStack();
    if (kind === null) await Deno.mkdir(caches.cache);
    else disposables.use(await mountVolume(kind, caches.cache));
    await openToAll(caches);
    await prepare(caches.cache);
    disposables.defer(async () => void await undo?.(caches.cache));
    await using stage = await openStage();
    for (const layout of FULL ? LAYOUTS : ["local"] as const) {
      const args = [...DOWNLOAD, ...(layout === "hub" ? ["--use-hf-cache"] : [])];
      const { code, stderr } = await stage.aim(user, args, caches.env);
      assertEquals(code, 7, stderr);
      assertMatch(stderr, says);
      assert(stderr.includes(caches.cache), stderr);
      assertEquals(stderr.trim().split("\n").filter((line) => /error/i.test(line)).length, 1, stderr);
      const found = await stage.aim(user, ["resolve", "org/model"], caches.env);
      assertEquals(found.code, 5, found.stdout);
    }
  });
}

/** Errors that these file systems do not return: strace injects them into a system call. */
const INJECTED: readonly {
  readonly error: string;
  readonly call: string;
  /** The first call per thread that fails. */
  readonly from?: number;
  readonly says: RegExp;
}[] = [
  { error: "EDQUOT", call: "mkdirat", says: /[Qq]uota.*raise the quota/ },
  // Roughly the first, a middle and the last file of the model.
  { error: "EDQUOT", call: "renameat", from: 1, says: /[Qq]uota.*raise the quota/ },
  { error: "ESTALE", call: "renameat", from: 5, says: /[Ss]tale.*check that the volume is mounted/ },
  { error: "EROFS", call: "renameat", from: 7, says: /Read-only.*mount it writable/ },
];
const NO_STRACE = installed("strace") ? "" : " (skipped: strace is not installed)";

for (const { error, call, from = 1, says } of INJECTED) {
  Deno.test({
    name:
      `${error} from ${call} call ${from} on ends a download with exit 7 and leaves no servable model${NO_STRACE}`,
    ignore: NO_STRACE !== "",
    async fn() {
      await using caches = await startCaches();
      const { code, stderr } = await new Deno.Command("strace", {
        args: [
          ...["-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`],
          ...["-e", `inject=${call}:error=${error}:when=${from}+`],
          ...[Deno.execPath(), ...DENO_RUN, MAIN, ...DOWNLOAD],
        ],
        clearEnv: true,
        env: { ...plainEnvironment(), ...caches.env },
        stdin: "null",
      }).output();
      const text = new TextDecoder().decode(stderr);
      assertEquals(code, 7, text);
      assertMatch(text, says);
      assert(text.includes(caches.cache), text);
      assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "missing");
      assert((await caches.download({ layout: "local" })).bytes > 0);
      assertEquals((await resolveModel({ paths: caches.paths, name: "org/model" })).kind, "path");
    },
  });
}

/** Temporary directories are accessible only to their owner. */
async function openToAll({ cache }: Caches): Promise<void> {
  await Deno.chmod(`${cache}/..`, 0o755);
}

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { MODEL, startBareMachine } from "./bare_machine.ts";
import { e2e } from "./e2e.ts";

const USER = 1000;
const VERSION = /^aim \d+\.\d+\.\d+ \(.*\)\n$/;

await e2e(
  "the self-extracting form unpacks once per user and never runs files of other users",
  { selfExtracting: true },
  async (t) => {
    await using machine = await startBareMachine();
    let count = 0;
    /** A new directory to unpack into: the host's path and the container's. */
    const place = async (mode = 0o1777) => {
      const name = `runtime-${++count}`;
      await Deno.mkdir(`${machine.work}/${name}`);
      await Deno.chmod(`${machine.work}/${name}`, mode);
      return { outside: `${machine.work}/${name}`, env: { AIM_RUNTIME_DIR: `/job/${name}` } };
    };
    const version = async (env: Record<string, string>, uid = USER) => {
      const { code, stdout, stderr } = await machine.run(["aim", "--version"], { env, uid });
      assertEquals(code, 0, stderr);
      assertMatch(stdout, VERSION);
    };

    await t.step("only its owner can read the unpacked files, and the second start reuses them", async () => {
      const { outside, env } = await place();
      await version(env);
      const [name = ""] = names(outside);
      assertMatch(name, new RegExp(`^aim-${USER}-[0-9a-f]{16}$`));
      const there = await Deno.stat(`${outside}/${name}`);
      assertEquals([there.uid, (there.mode ?? 0) & 0o7777], [USER, 0o700]);
      const before = (await Deno.stat(`${outside}/${name}/deno`)).ino;
      await version(env);
      assertEquals(names(outside), [name]);
      assertEquals((await Deno.stat(`${outside}/${name}/deno`)).ino, before);
    });

    await t.step("another user unpacks another copy", async () => {
      const { outside, env } = await place();
      await version(env);
      await version(env, 1001);
      assertEquals(names(outside).map((name) => name.split("-")[1]), ["1000", "1001"]);
    });

    await t.step("unpacking works below a setgid directory, as with Kubernetes' fsGroup", async () => {
      const { outside, env } = await place(0o2777);
      await version(env);
      await version(env);
      assertEquals(names(outside).length, 1);
    });

    await t.step("twenty concurrent first starts all run and leave one copy", async () => {
      const { outside, env } = await place();
      const script =
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do aim --version & done; wait";
      const { stdout, stderr } = await machine.run(["sh", "-c", script], { env });
      assertEquals([stdout.split("\n").filter((line) => VERSION.test(`${line}\n`)).length, stderr], [20, ""]);
      assertEquals(names(outside).length, 1);
    });

    await t.step("twenty concurrent starts repair damaged files", async () => {
      const { outside, env } = await place();
      await version(env);
      const [name] = names(outside);
      await Deno.truncate(`${outside}/${name}/deno`, 1000);
      await Deno.remove(`${outside}/${name}/main.js`);
      const script =
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do aim --version & done; wait";
      const { stdout, stderr } = await machine.run(["sh", "-c", script], { env });
      assertEquals([stdout.split("\n").filter((line) => VERSION.test(`${line}\n`)).length, stderr], [20, ""]);
      assertEquals(names(outside), [name]);
    });

    await t.step("any damage is repaired", async (t) => {
      const { outside, env } = await place();
      await version(env);
      const [name = ""] = names(outside);
      const at = (file: string) => `${outside}/${name}/${file}`;
      const evil = "console.log('evil')\n";
      const damage: Record<string, () => Promise<void>> = {
        "a file is missing": () => Deno.remove(at("main.js")),
        "a file is truncated": () => Deno.truncate(at("main.js"), 10),
        "a file is longer": () => Deno.writeTextFile(at("main.js"), evil, { append: true }),
        "a file is a link to another": async () => {
          await Deno.writeTextFile(`${machine.work}/evil.js`, evil);
          await Deno.remove(at("main.js"));
          await Deno.symlink("/job/evil.js", at("main.js"));
        },
        "a file is a folder": async () => {
          await Deno.remove(at("main.js"));
          await Deno.mkdir(at("main.js"));
          await Deno.chown(at("main.js"), USER, USER);
        },
        "the runtime is truncated": () => Deno.truncate(at("deno"), 1_000_000),
        "the runtime is not executable": () => Deno.chmod(at("deno"), 0o600),
        "the profiles are missing": () => Deno.remove(at("profiles"), { recursive: true }),
        "the caches are garbage": async () => {
          for (const { name } of Deno.readDirSync(at("cache"))) {
            if (name.includes("_v2")) await Deno.writeTextFile(at(`cache/${name}`), evil);
          }
        },
      };
      for (const [what, harm] of Object.entries(damage)) {
        await t.step(what, async () => {
          await harm();
          await version(env);
          const { code, stdout } = await machine.run(["aim", "dry-run", "--model", MODEL], { env });
          assertEquals(code, 0);
          assertStringIncludes(stdout, "vllm.entrypoints");
          assertEquals(names(outside), [name]);
        });
      }
    });

    await t.step("files that another user may have written are not used", async (t) => {
      const own = await place();
      await version(own.env);
      const [name = ""] = names(own.outside);
      const plants: Record<string, (path: string) => Promise<void>> = {
        "a directory of another user": (path) => plant(path, 4711, 0o755),
        "a private directory of another user": (path) => plant(path, 4711, 0o700),
        "a directory that others can write": (path) => plant(path, USER, 0o777),
        "a directory that others can read": (path) => plant(path, USER, 0o755),
        "a link to a directory of this user": async (path) => {
          await plant(`${path}-elsewhere`, USER, 0o700);
          await Deno.symlink(`${path.split("/").at(-1)}-elsewhere`, path);
        },
        "a file": (path) => Deno.writeTextFile(path, ""),
        "a dangling link": (path) => Deno.symlink("/none", path),
      };
      for (const [what, put] of Object.entries(plants)) {
        await t.step(what, async () => {
          const { outside, env } = await place();
          await put(`${outside}/${name}`);
          await version(env);
          assert(names(outside).includes(`${name}.1`), names(outside).join(" "));
        });
      }
      await t.step("if all names are taken, it exits 1 with a hint", async () => {
        const { outside, env } = await place();
        for (const suffix of ["", ".1", ".2", ".3"]) await plant(`${outside}/${name}${suffix}`, 4711, 0o777);
        const { code, stdout, stderr } = await machine.run(["aim", "--version"], { env });
        assertEquals([code, stdout], [1, ""]);
        assertMatch(stderr, /^aim: error: .* belong to another user; set AIM_RUNTIME_DIR to .*\n$/);
      });
    });

    await t.step("the caller's umask and variables are ignored", async () => {
      const { outside, env } = await place();
      const script = "umask 0000; DENO_V8_FLAGS=--none NODE_OPTIONS=--none IFS=a exec aim --version";
      const { stdout, stderr } = await machine.run(["sh", "-c", script], { env });
      assertMatch(stdout, VERSION, stderr);
      const [name] = names(outside);
      for (const entry of Deno.readDirSync(`${outside}/${name}`)) {
        if (entry.isFile) {
          assertEquals(((await Deno.stat(`${outside}/${name}/${entry.name}`)).mode ?? 0) & 0o077, 0);
        }
      }
    });

    for (
      const [what, tmp, code, line] of [
        [
          "without space",
          "mode=1777,size=60m",
          7,
          /cannot unpack \d+ MB into \/tmp: No space left on device; .* AIM_RUNTIME_DIR/,
        ],
        ["with almost enough space", "mode=1777,size=92m", 7, /cannot unpack \d+ MB into \/tmp: No space/],
        ["without free inodes", "mode=1777,nr_inodes=20", 7, /cannot unpack \d+ MB into \/tmp: No space/],
        [
          "mounted noexec",
          "mode=1777,noexec",
          1,
          /cannot run programs in \/tmp \(mounted noexec\); .* AIM_RUNTIME_DIR/,
        ],
        ["that is not writable", "mode=755", 7, /cannot write to \/tmp, .* AIM_RUNTIME_DIR/],
      ] as const
    ) {
      await t.step(`a /tmp ${what} causes a one-line error and leaves no files`, async () => {
        const script = 'aim --version; echo "code $?"; ls -A /tmp';
        const { stdout, stderr } = await machine.run(["sh", "-c", script], { tmp });
        assertEquals(stdout, `code ${code}\n`);
        assertMatch(stderr, line);
        assertEquals(stderr.trimEnd().split("\n").length, 1);
      });
    }

    await t.step("SIGTERM during unpacking leaves no partial files", async () => {
      const { outside, env } = await place();
      const running = await machine.start(["aim", "--version"], { env });
      let over = false;
      running.ended.then(() => over = true);
      while (names(outside).length === 0 && !over) await new Promise((resolve) => setTimeout(resolve, 1));
      running.kill("SIGTERM");
      const code = await running.ended;
      assert(code === 143 || code === 0, `${code}`);
      assert(names(outside).every((name) => /^aim-\d+-[0-9a-f]{16}$/.test(name)), names(outside).join(" "));
    });

    await t.step("after kill -9 during unpacking, a later start removes the leftovers", async () => {
      const { outside, env } = await place();
      for (let tries = 0; names(outside).every((name) => !name.includes(".new.")); tries++) {
        assert(tries < 20, "never killed in time");
        await Deno.remove(outside, { recursive: true });
        await Deno.mkdir(outside);
        await Deno.chmod(outside, 0o1777);
        const running = await machine.start(["sh", "-c", "aim --version & wait; sleep 60"], { env });
        while (names(outside).length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        running.kill("SIGKILL");
        await running.ended;
      }
      const [left = ""] = names(outside).filter((name) => name.includes(".new."));
      // The leftovers of another container are kept while its process may still be running.
      await version(env);
      assert(names(outside).includes(left), names(outside).join(" "));
      const old = new Date(Date.now() - 3600_000);
      await Deno.utime(`${outside}/${left}`, old, old);
      await version(env);
      assertEquals(names(outside).map((name) => name.replace(/[0-9a-f]{16}$/, "KEY")), [`aim-${USER}-KEY`]);
    });

    await t.step(
      "in the same container, leftovers of a dead process are removed at once, those of a running one are kept",
      async () => {
        const { outside, env } = await place();
        const script = [
          'namespace=$(readlink /proc/self/ns/pid | tr -dc "0-9")',
          'for pid in $$ 99999; do mkdir -m 700 "$AIM_RUNTIME_DIR/aim-1000-0123456789abcdef.new.$namespace.$pid.AAAAAA"; done',
          "aim --version",
        ].join("; ");
        const { code, stderr } = await machine.run(["sh", "-c", `${script}; code=$?; sleep 0; exit $code`], {
          env,
        });
        assertEquals(code, 0, stderr);
        const kept = names(outside).filter((name) => name.includes(".new."));
        assertEquals(kept.length, 1);
        assert(!kept[0]?.includes(".99999."), kept.join(" "));
      },
    );

    await t.step("a truncated or corrupted executable is exit 8", async () => {
      const whole = new URL("../../dist/aim", import.meta.url).pathname;
      const size = (await Deno.stat(whole)).size;
      const head = new TextDecoder("latin1").decode((await Deno.readFile(whole)).subarray(0, 65536));
      const damage: Record<string, (path: string) => Promise<void>> = {
        short: (path) => Deno.truncate(path, 50_000_000),
        "four-bytes-of-the-runtime": (path) => change(path, 60_000_000),
        "four-bytes-of-a-message": (path) => change(path, head.indexOf("belong to another")),
        "four-bytes-of-the-digest": (path) => change(path, size - 10),
      };
      for (const [name, harm] of Object.entries(damage)) {
        const path = `${machine.work}/${name}`;
        await Deno.copyFile(whole, path);
        await harm(path);
        const { code, stdout, stderr } = await machine.run([`/job/${name}`, "--version"]);
        assertEquals([code, stdout], [8, ""], `${name}: ${stderr}`);
        assertMatch(stderr, /^aim: error: \/job\/\S+ is damaged .*; fetch it again\n$/);
        await Deno.remove(path);
      }
    });

    await t.step(
      "files unpacked into an image are owned by root and read-only, and any user can run them without /tmp",
      async () => {
        const script = [
          "aim __unpack /job/image/aim && cd /job/image/aim && ./aim __self-test >/dev/null && ./aim --version >/dev/null",
          "chmod -R a-w /job/image/aim",
          "stat -c '%U %A' /job/image/aim /job/image/aim/deno /job/image/aim/main.js",
        ].join(" && ");
        const made = await machine.run(["sh", "-c", script], { uid: 0 });
        assertEquals(made.stdout, "root dr-xr-xr-x\nroot -r-xr-xr-x\nroot -r--r--r--\n", made.stderr);
        const again = await machine.run(["aim", "__unpack", "/job/image/aim"], { uid: 0 });
        assertEquals(again.code, 7, again.stderr);
        assertEquals((await machine.run(["aim", "__unpack", "relative"])).code, 2);
        for (const uid of [0, USER, 65532]) {
          const ran = await machine.run(["/job/image/aim/aim", "--version"], {
            uid,
            tmp: "mode=000",
            capabilities: false,
          });
          assertEquals([ran.code, ran.stderr], [0, ""]);
          assertMatch(ran.stdout, VERSION);
        }
        // The code caches also work for users with read access only.
        const launch = `${machine.work}/image/aim/launch.sh`;
        const debugged = (await Deno.readTextFile(launch)).replace("run --quiet", "run --log-level=debug");
        await Deno.writeTextFile(`${machine.work}/launch.sh`, `_aim_dir=/job/image/aim\n${debugged}`);
        const told = await machine.run(["sh", "/job/launch.sh", "--version"], { capabilities: false });
        assertStringIncludes(told.stderr, "Opening cache /job/image/aim/cache/v8_code_cache_v2");
        assert(!told.stderr.includes("Failed creating cache db"), told.stderr);
      },
    );

    await t.step(
      "aim starts from a removed directory, by a relative path, through a link, and by sh",
      async () => {
        await Deno.symlink("/usr/local/bin/aim", `${machine.work}/bin/linked`);
        const script = [
          "mkdir /tmp/gone && cd /tmp/gone && rmdir /tmp/gone && aim --version",
          "cd /usr/local && bin/aim --version",
          "/job/bin/linked --version",
          "sh /usr/local/bin/aim --version",
        ].join(" && ");
        const { stdout, stderr } = await machine.run(["sh", "-c", script]);
        assertEquals(stdout.split("\n").filter((line) => VERSION.test(`${line}\n`)).length, 4, stderr);
      },
    );
  },
);

/** Makes a directory with malicious files. */
async function plant(path: string, uid: number, mode: number): Promise<void> {
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/deno`, "#!/bin/sh\necho evil\n", { mode: 0o755 });
  await Deno.writeTextFile(`${path}/main.js`, "console.log('evil')\n");
  for (const name of ["deno", "main.js", "."]) await Deno.chown(`${path}/${name}`, uid, uid);
  await Deno.chmod(path, mode);
}

/** Changes four bytes of a file. */
async function change(path: string, at: number): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const bytes = new Uint8Array(4);
  await file.seek(at, Deno.SeekMode.Start);
  await file.read(bytes);
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(bytes.map((byte) => byte ^ 1));
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map((entry) => entry.name).sort();
}

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { MODEL, startBareMachine } from "./bare_machine.ts";
import { e2e } from "./e2e.ts";

const USER = 1000;
const VERSION = /^aim \d+\.\d+\.\d+ \(.*\)\n$/;

await e2e(
  "the self-extracting form unpacks once, for its user alone, and only what is its own runs",
  {},
  async (t) => {
    await using machine = await startBareMachine();
    const form = (await machine.run(["aim", "--version"])).stdout;
    if (!form.includes("self-extracting")) return console.log(`nothing to unpack: ${form}`);
    let count = 0;
    /** A new directory to unpack into, as this machine and as the container see it. */
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

    await t.step("what lies there is for its owner alone; the second start uses it as it is", async () => {
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

    await t.step("another user unpacks anew", async () => {
      const { outside, env } = await place();
      await version(env);
      await version(env, 1001);
      assertEquals(names(outside).map((name) => name.split("-")[1]), ["1000", "1001"]);
    });

    await t.step("below a directory whose group is inherited, as Kubernetes' fsGroup makes it", async () => {
      const { outside, env } = await place(0o2777);
      await version(env);
      await version(env);
      assertEquals(names(outside).length, 1);
    });

    await t.step("twenty first starts at once: all run, one copy is left", async () => {
      const { outside, env } = await place();
      const script =
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do aim --version & done; wait";
      const { stdout, stderr } = await machine.run(["sh", "-c", script], { env });
      assertEquals([stdout.split("\n").filter((line) => VERSION.test(`${line}\n`)).length, stderr], [20, ""]);
      assertEquals(names(outside).length, 1);
    });

    await t.step("twenty at once, where what was unpacked is damaged", async () => {
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

    await t.step("damage of any kind is mended", async (t) => {
      const { outside, env } = await place();
      await version(env);
      const [name = ""] = names(outside);
      const at = (file: string) => `${outside}/${name}/${file}`;
      const evil = "console.log('evil')\n";
      const damage: Record<string, () => Promise<void>> = {
        "a file is missing": () => Deno.remove(at("main.js")),
        "a file is cut short": () => Deno.truncate(at("main.js"), 10),
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
        "the runtime is cut short": () => Deno.truncate(at("deno"), 1_000_000),
        "the runtime may not be run": () => Deno.chmod(at("deno"), 0o600),
        "the profiles are gone": () => Deno.remove(at("profiles"), { recursive: true }),
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

    await t.step("what a variable says of its files is not believed", async () => {
      const { outside, env } = await place();
      await version(env);
      const lost = `${outside}/${names(outside)[0]}/profiles`;
      await Deno.remove(lost, { recursive: true });
      const head = (await Deno.readFile(new URL("../../dist/aim", import.meta.url))).subarray(0, 65536);
      const wanted = /'((?:\d+ 8180\n)+\d+ 81c0)'/.exec(new TextDecoder().decode(head))?.[1] ?? "";
      assert(wanted !== "");
      await version({ ...env, ZZ: `\n${wanted}\n4096 41c0`, _ZZ: `\n${wanted}` });
      assert(names(lost).length > 0);
    });

    await t.step("what someone else has put there is not used", async (t) => {
      const own = await place();
      await version(own.env);
      const [name = ""] = names(own.outside);
      const plants: Record<string, (path: string) => Promise<void>> = {
        "a directory of another user": (path) => plant(path, 4711, 0o755),
        "a directory of another user, for its owner alone": (path) => plant(path, 4711, 0o700),
        "a directory that others may write": (path) => plant(path, USER, 0o777),
        "a directory that others may read": (path) => plant(path, USER, 0o755),
        "a link to a directory of one's own": async (path) => {
          await plant(`${path}-elsewhere`, USER, 0o700);
          await Deno.symlink(`${path.split("/").at(-1)}-elsewhere`, path);
        },
        "a file": (path) => Deno.writeTextFile(path, ""),
        "a link to nowhere": (path) => Deno.symlink("/none", path),
      };
      for (const [what, put] of Object.entries(plants)) {
        await t.step(what, async () => {
          const { outside, env } = await place();
          await put(`${outside}/${name}`);
          await version(env);
          assert(names(outside).includes(`${name}.1`), names(outside).join(" "));
        });
      }
      await t.step("nor is it where all names are taken: it ends with 1 and says what to do", async () => {
        const { outside, env } = await place();
        for (const suffix of ["", ".1", ".2", ".3"]) await plant(`${outside}/${name}${suffix}`, 4711, 0o777);
        const { code, stdout, stderr } = await machine.run(["aim", "--version"], { env });
        assertEquals([code, stdout], [1, ""]);
        assertMatch(stderr, /^aim: error: .* belong to someone else; name a directory .* AIM_RUNTIME_DIR\n$/);
      });
    });

    await t.step("the caller's umask and variables do not matter", async () => {
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
          /cannot unpack \d+ MB into \/tmp: no space; .* AIM_RUNTIME_DIR/,
        ],
        ["with hardly enough space", "mode=1777,size=94m", 7, /cannot unpack \d+ MB into \/tmp: no space/],
        ["without files to be had", "mode=1777,nr_inodes=20", 7, /cannot unpack|no space/],
        [
          "that may not hold programs",
          "mode=1777,noexec",
          1,
          /\/tmp may not hold programs \(mounted noexec\)/,
        ],
        ["that cannot be written", "mode=755", 7, /cannot write to \/tmp, .* AIM_RUNTIME_DIR/],
      ] as const
    ) {
      await t.step(`a /tmp ${what}: one line, and nothing is left`, async () => {
        const script = 'aim --version; echo "code $?"; ls -A /tmp';
        const { stdout, stderr } = await machine.run(["sh", "-c", script], { tmp });
        assertEquals(stdout, `code ${code}\n`);
        assertMatch(stderr, line);
        assertEquals(stderr.trimEnd().split("\n").length, 1);
      });
    }

    await t.step("SIGTERM while it unpacks leaves nothing", async () => {
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

    await t.step("an executable that is cut short says so and ends with 8", async () => {
      const short = `${machine.work}/short`;
      await Deno.copyFile(new URL("../../dist/aim", import.meta.url).pathname, short);
      await Deno.truncate(short, 50_000_000);
      const { code, stderr } = await machine.run(["/job/short", "--version"]);
      assertEquals(code, 8);
      assertMatch(stderr, /^aim: error: \/job\/short is damaged: .*; fetch it again\n$/);
    });

    await t.step(
      "from a directory that was removed, by a relative path, through a link, by PATH",
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

/** A directory that would do harm if it were used. */
async function plant(path: string, uid: number, mode: number): Promise<void> {
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/deno`, "#!/bin/sh\necho evil\n", { mode: 0o755 });
  await Deno.writeTextFile(`${path}/main.js`, "console.log('evil')\n");
  for (const name of ["deno", "main.js", "."]) await Deno.chown(`${path}/${name}`, uid, uid);
  await Deno.chmod(path, mode);
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map((entry) => entry.name).sort();
}

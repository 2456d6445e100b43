import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { permissionFlags } from "../../container/packaging/permission_flags.ts";
import { schemaFaults } from "../container/cyclonedx.ts";
import { run } from "./contained.ts";
import { e2e } from "./e2e.ts";
import { executable } from "./executable.ts";

const ROOT = new URL("../../", import.meta.url);
const ARM = "aarch64-unknown-linux-gnu";

await e2e("the checksums and the bill of materials match the executable", {
  containers: false,
  programs: ["sha256sum"],
}, async () => {
  const folder = (await executable()).replace(/aim$/, "");
  const { success, stderr } = await new Deno.Command("sha256sum", {
    args: ["--check", "--strict", "SHA256SUMS"],
    cwd: folder,
  })
    .output();
  assert(success, new TextDecoder().decode(stderr));
  const sums = await Deno.readTextFile(`${folder}SHA256SUMS`);
  const sum = /^([0-9a-f]{64}) {2}aim$/m.exec(sums)?.[1];
  assertMatch(sums, /^[0-9a-f]{64} {2}aim\.cdx\.json$/m);
  const bill = JSON.parse(await Deno.readTextFile(`${folder}aim.cdx.json`));
  assertEquals(await schemaFaults(bill), []);
  assertEquals(bill.metadata.component.hashes[0].content, sum);

  const { imports, version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  assertEquals(bill.metadata.component.version, version);
  const purls: string[] = bill.components.map(({ purl }: { purl: string }) => purl);
  for (const name of ["yaml", "@huggingface/hub", "@aws-sdk/client-s3"]) {
    assert(purls.includes(`pkg:npm/${imports[name].replace("npm:", "").replace(/^@/, "%40")}`), name);
  }
  // It does not list packages that only tests import.
  assert(!purls.some((purl) => /kubernetes|cyclonedx/.test(purl)));
});

await e2e(
  "the self-extracting form has exactly the permissions of deno.json",
  { containers: false, selfExtracting: true },
  async () => {
    const bytes = await Deno.readFile(await executable());
    const text = new TextDecoder("latin1").decode(bytes);
    const words =
      /^exec "\$_aim_dir\/deno" run (.*) "\$_aim_dir\/main\.js" "\$@"$/m.exec(text)?.[1]?.split(" ") ??
        [];
    const flags = permissionFlags(JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))));
    assertEquals(words.filter((word) => word.startsWith("--allow")), flags);
    for (const word of ["--no-prompt", "--no-config", "--no-remote", "--no-npm"]) {
      assert(
        words.includes(word),
        word,
      );
    }
    assert(!words.includes("-A") && !words.includes("--allow-all"));
  },
);

await e2e(
  "a wrong base runtime fails the build with one line that names it",
  { containers: false },
  async (t) => {
    await using place = await scratch();
    const text = `${place.path}/text`;
    await Deno.writeTextFile(text, "no program\n");
    const bases = {
      "missing": [`${place.path}/none`, /^compile: DENORT_BIN names \S+\/none: No such file/],
      "not a program": [text, /^compile: DENORT_BIN names \S+\/text: .*ELF/],
      "another program": [
        "/bin/true",
        /^compile: the executable should print "aim .*DENORT_BIN names \/bin\/true: is that denort\?$/,
      ],
    } as const;
    for (const [what, [base, line]] of Object.entries(bases)) {
      await t.step(what, async () => {
        const { code, stdout, stderr } = await compile(["--output", place.aim], { DENORT_BIN: base });
        assertEquals([code, stdout], [1, ""]);
        assertMatch(stderr.trimEnd(), line);
        assertEquals([...Deno.readDirSync(place.path)].filter(({ name }) => name !== "text"), []);
      });
    }
  },
);

await e2e("a corrupted download of the base runtime is not used", {
  containers: false,
  programs: ["python3"],
}, async () => {
  await using place = await scratch();
  const cache = `${place.path}/cache`;
  const bases = `${cache}/dl/release/v${Deno.version.deno}`;
  await Deno.mkdir(bases, { recursive: true });
  await Deno.symlink(`${await denoDirectory()}/npm`, `${cache}/npm`);
  const zip = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').write('/bin/true', 'denort')";
  await run("python3", "-c", zip, `${bases}/denort-${Deno.build.target}.zip`);
  const { code, stdout, stderr } = await compile(["--output", place.aim], { DENO_DIR: cache });
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /, self-extracting \(the executable should print "aim .*\), \d+\.\d MB\n$/);
  assertMatch(await run("env", `AIM_RUNTIME_DIR=${place.path}`, place.aim, "--version"), /self-extracting/);
});

await e2e("an executable for another architecture contains that architecture's runtime", {
  containers: false,
}, async (t) => {
  await using place = await scratch();
  // Only an ELF header and a version: this runtime is never run.
  const runtime = new Uint8Array(70_000);
  runtime.set(Uint8Array.fromHex("7f454c460201010000000000000000000200b700"));
  runtime.set(new TextEncoder().encode(`Deno ${Deno.version.deno}`), 50_000);
  await Deno.writeFile(`${place.path}/deno-arm`, runtime);
  const made = await compile(["--target", ARM, "--runtime", `${place.path}/deno-arm`, "--output", place.aim]);
  assertEquals(made.code, 0, made.stderr);
  assertStringIncludes(made.stdout, `for ${ARM}, self-extracting (--runtime is given)`);
  const bytes = await Deno.readFile(place.aim);
  const [start, size] = placeOfRuntime(bytes);
  assertEquals(bytes.subarray(start, start + size), runtime);
  const bill = JSON.parse(await Deno.readTextFile(`${place.aim}.cdx.json`));
  assertStringIncludes(bill.components[0].purl, "linux-arm64");

  const real = await compile(["--target", ARM, "--self-extracting", "--output", place.aim]);
  const isMissing = real.code !== 0;
  if (isMissing) {
    const words =
      /^compile: Deno \S+ for aarch64-unknown-linux-gnu is not available: .*; give a file with --runtime\n$/;
    assertMatch(real.stderr, words);
  }
  await t.step({
    name: `with the real runtime${isMissing ? " (skipped: npm does not have it)" : ""}`,
    ignore: isMissing,
    async fn() {
      const all = await Deno.readFile(place.aim);
      const [at] = placeOfRuntime(all);
      assertEquals(all.subarray(at, at + 20).toHex().slice(0, 8), "7f454c46");
      assertEquals([all[at + 18], all[at + 19]], [183, 0]);
    },
  });
});

await e2e("the same sources give the same executable", { containers: false }, async () => {
  await using place = await scratch();
  const digests = [];
  for (const _ of [1, 2]) {
    const { code, stderr } = await compile(["--self-extracting", "--output", place.aim]);
    assertEquals(code, 0, stderr);
    digests.push((await Deno.readTextFile(`${place.path}/SHA256SUMS`)).split("\n").sort());
  }
  assertEquals(digests[0], digests[1]);
});

/** Offset and size of Deno in a self-extracting executable. */
function placeOfRuntime(bytes: Uint8Array): [number, number] {
  const found = /^(\d+) (\d+) deno$/m.exec(new TextDecoder("latin1").decode(bytes.subarray(0, 100_000)));
  return [Number(found?.[1]), Number(found?.[2])];
}

async function compile(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-P", "container/compile.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

async function denoDirectory(): Promise<string> {
  return JSON.parse(await run(Deno.execPath(), "info", "--json")).denoDir;
}

async function scratch(): Promise<{ path: string; aim: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "aim-compile-" });
  return { path, aim: `${path}/aim`, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

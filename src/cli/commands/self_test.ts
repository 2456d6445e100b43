import { AimError } from "../../errors/aim_error.ts";
import { lastErrno, processCalls } from "../../os/libc.ts";
import { checkProfile } from "../../profiles/check_profile.ts";
import { EMBEDDED_ROOT, IS_BUNDLED, loadProfiles, PACK } from "../../profiles/load_profiles.ts";
import { HashPool } from "../../transfer/hash/hash_pool.ts";
import { command } from "../command.ts";

/** `aim __self-test`: checks that an executable works. Packaging and the images run it. */
export const selfTest = command({
  usage: "__self-test",
  summary: "load every part of the executable",
  permissions: { ffi: true },
  async run({ print }) {
    if (!IS_BUNDLED) {
      throw new AimError("usage", "aim runs from its sources", { hint: "build it: deno task compile" });
    }
    const parts = {
      modules: loadModules,
      thread: hashInThread,
      "C library": callC,
      profiles: readProfiles,
      schemas: useSchemas,
    };
    for (const [name, prove] of Object.entries(parts)) {
      try {
        print(`${name}: ${await prove()}\n`);
      } catch (cause) {
        const message = `self-test of the ${name}: ${cause instanceof Error ? cause.message : cause}`;
        throw new AimError("unexpected", message, { hint: "build aim again", cause });
      }
    }
  },
});

/** Loads all code except the threads', and checks that the npm libraries export all their names. */
async function loadModules(): Promise<string> {
  const folder = new URL("./", import.meta.url);
  const { exports } = JSON.parse(Deno.readTextFileSync(new URL("self_test.json", folder))) as {
    exports: Record<string, string[]>;
  };
  for (const [file, names] of Object.entries(exports)) {
    const module: Record<string, unknown> = await import(new URL(file, folder).href);
    const absent = names.filter((name) => module[name] === undefined);
    if (absent.length > 0) throw new Error(`${file} does not export ${absent.join(", ")}`);
  }
  return `${Object.keys(exports).length} loaded`;
}

async function hashInThread(): Promise<string> {
  const path = new URL("build.json", import.meta.url).pathname;
  const pool = new HashPool({ workers: 1 });
  try {
    const { sha256 } = await pool.hash(path, ["sha256"]);
    const expected = new Uint8Array(await crypto.subtle.digest("SHA-256", Deno.readFileSync(path))).toHex();
    if (sha256 !== expected) throw new Error(`it computed ${sha256} for ${path}, not ${expected}`);
  } finally {
    pool.close();
  }
  return "hashes a file";
}

/** Makes a call with a known failure: fcntl on a bad file descriptor. */
function callC(): string {
  const loaded = processCalls();
  if ("refused" in loaded) throw new Error(loaded.refused);
  const [result, errno] = [loaded.library.fcntl(-1, F_GETFD, 0), lastErrno(loaded.library)];
  if (result !== -1 || errno !== EBADF) throw new Error(`fcntl(-1) returned ${result}, errno ${errno}`);
  return "can be called";
}

/** Reads all embedded profiles. */
async function readProfiles(): Promise<string> {
  const folders = [...foldersWith(PACK, EMBEDDED_ROOT)];
  let count = 0;
  for (const folder of folders) {
    const model = folder === "general" ? null : folder;
    const { profiles, faults } = await loadProfiles(
      { profilePath: `${EMBEDDED_ROOT}/none`, embeddedProfiles: true },
      model,
    );
    if (profiles.length === 0) throw new Error(`${folder} has no profiles`);
    if (faults[0] !== undefined) throw new Error(`${faults[0].path}: ${faults[0].reason}`);
    count += profiles.length;
  }
  if (!folders.includes("general")) throw new Error("general profiles are missing");
  return `${count} in ${folders.length} folders`;
}

/** Reads the schemas, and runs the code that was generated from them. */
function useSchemas(): string {
  const folder = `${EMBEDDED_ROOT}/schemas`;
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  for (const name of names) JSON.parse(Deno.readTextFileSync(`${folder}/${name}`));
  if (names.length === 0) throw new Error(`no schemas in ${folder}`);
  if (checkProfile(new Map()).length === 0) throw new Error("an empty profile counts as valid");
  return `${names.length} read`;
}

function* foldersWith(name: string, root: string, below = ""): Generator<string> {
  for (const entry of Deno.readDirSync(`${root}/${below}`)) {
    if (entry.isDirectory) {
      yield* foldersWith(name, root, below === "" ? entry.name : `${below}/${entry.name}`);
    } else if (entry.name === name) yield below;
  }
}

const F_GETFD = 1;
const EBADF = 9;

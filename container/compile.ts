// `deno task compile [--target TRIPLE] [--output FILE] [--self-extracting] [--runtime FILE]` builds the
// executable, its bill of materials (CycloneDX) and SHA-256 sums. DENORT_BIN is the base to use instead of
// the one that `deno compile` downloads.
import { parseArgs } from "@std/cli/parse-args";
import { basename, dirname, resolve } from "@std/path";
import type { BuildInfo } from "../src/cli/build_info.ts";
import { bundleProgram } from "./packaging/bundle_program.ts";
import { checkExecutable } from "./packaging/check_executable.ts";
import { compileProgram } from "./packaging/compile_program.ts";
import { digestHex } from "./packaging/digest_hex.ts";
import { findRuntime, namedRuntime, type Runtime, TARGETS } from "./packaging/find_runtime.ts";
import { permissionFlags } from "./packaging/permission_flags.ts";
import { programPackages } from "./packaging/program_packages.ts";
import { cycloneDx } from "./packaging/sbom.ts";
import { sourceVersion } from "./packaging/source_version.ts";
import { writeSelfExtracting } from "./packaging/self_extracting.ts";

const ROOT = new URL("../", import.meta.url);
/** Timeout in milliseconds for `deno compile`, including the download of its base. */
const COMPILE_TIMEOUT = 180_000;

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error(`compile: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}

async function main(args: string[]): Promise<void> {
  const flags = parseArgs(args, {
    string: ["target", "output", "runtime"],
    boolean: ["self-extracting"],
    unknown: (word) => {
      throw new Error(
        `unknown word "${word}"; known: --target, --output, --self-extracting and --runtime`,
      );
    },
  });
  const target = textOf(flags.target) ?? Deno.build.target;
  const arch = TARGETS[target]?.arch;
  if (arch === undefined) {
    throw new Error(`no target ${target}; known: ${Object.keys(TARGETS).join(" and ")}`);
  }
  const output = resolve(textOf(flags.output) ?? new URL("dist/aim", ROOT).pathname);
  Deno.mkdirSync(dirname(output), { recursive: true });

  const denoJson: unknown = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  const { version, commit } = sourceVersion();
  const staging = await Deno.makeTempDir({ prefix: "aim-build-" });
  const job: Job = { target, output, staging, permissions: permissionFlags(denoJson), version, commit };
  try {
    const named = textOf(flags.runtime);
    const why = flags["self-extracting"] === true
      ? "--self-extracting is given"
      : named !== undefined
      ? "--runtime is given"
      : await makeCompiled(job);
    const runtime = why === null
      ? null
      : named === undefined
      ? await findRuntime(target)
      : namedRuntime(resolve(named), target);
    if (runtime !== null) await makeSelfExtracting(job, runtime, arch);
    await describe(job, runtime);
    const form = why === null ? "compiled" : `self-extracting (${why})`;
    const megabytes = (Deno.statSync(output).size / 1e6).toFixed(1);
    console.log(`built ${output}: aim ${version} for ${target}, ${form}, ${megabytes} MB`);
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}

/** What to build, and where. */
interface Job extends Pick<BuildInfo, "version" | "commit"> {
  readonly target: string;
  readonly output: string;
  /** A directory for temporary files. */
  readonly staging: string;
  /** Permission flags. */
  readonly permissions: readonly string[];
}

/** Builds the executable with `deno compile`. @returns Why that failed; `null` if it succeeded. */
async function makeCompiled(job: Job): Promise<string | null> {
  const program = await bundled(job, "compiled");
  const failed = await compileProgram(program, job.output, { ...job, timeout: COMPILE_TIMEOUT });
  if (failed !== null) return failed;
  try {
    return await checked(job, "compiled");
  } catch (error) {
    // An error with the user's own base is reported; with a downloaded one, the self-extracting form is
    // built.
    if (Deno.env.get("DENORT_BIN") !== undefined) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

async function makeSelfExtracting(job: Job, runtime: Runtime, arch: string): Promise<void> {
  const program = await bundled(job, "self-extracting");
  writeSelfExtracting({ ...job, program, runtime: runtime.path, arch }, job.output);
  const failed = await checked(job, "self-extracting");
  if (failed === null) return;
  Deno.removeSync(job.output);
  throw new Error(failed);
}

/** The folder with the bundled program. */
async function bundled({ staging, version, commit }: Job, form: BuildInfo["form"]): Promise<string> {
  const folder = `${staging}/${form}`;
  await bundleProgram(ROOT.pathname, folder, { version, commit, form });
  return folder;
}

/** @returns Why the executable fails its self-test; `null` if it passes. @throws {Error} If it is not aim. */
async function checked(
  { output, target, staging, version, commit }: Job,
  form: BuildInfo["form"],
): Promise<string | null> {
  try {
    return await checkExecutable(output, target, { version, commit, form }, staging);
  } catch (error) {
    Deno.removeSync(output);
    throw error;
  }
}

/** Writes the bill of materials and SHA256SUMS next to the executable. */
async function describe({ output, target, version, commit }: Job, runtime: Runtime | null): Promise<void> {
  const sha256 = await fileDigest(output);
  const lock = JSON.parse(Deno.readTextFileSync(new URL("deno.lock", ROOT))) as {
    npm: Record<string, { integrity?: string }>;
  };
  const deno = runtime?.version ?? Deno.version.deno;
  const bill = await cycloneDx({
    name: "aim",
    version,
    commit,
    sha256,
    ...await programPackages(ROOT.pathname),
    locked: lock.npm,
    runtime: runtime === null ? { version: deno, purl: `pkg:github/denoland/deno@v${deno}`, sha256: null } : {
      version: deno,
      purl: `pkg:npm/${TARGETS[target]?.npm.replace("@", "%40")}@${deno}`,
      sha256: await fileDigest(runtime.path),
    },
  });
  const billPath = `${output}.cdx.json`;
  await Deno.writeTextFile(billPath, bill);
  const sums = [[sha256, basename(output)], [await fileDigest(billPath), basename(billPath)]];
  const sumsPath = `${dirname(output)}/SHA256SUMS`;
  // Keep the sums of executables for other targets.
  const others = readLines(sumsPath).filter((line) => !sums.some(([, name]) => line.endsWith(`  ${name}`)));
  await Deno.writeTextFile(sumsPath, [...others, ...sums.map((sum) => sum.join("  ")), ""].join("\n"));
}

async function fileDigest(path: string): Promise<string> {
  return await digestHex("SHA-256", await Deno.readFile(path));
}

function readLines(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

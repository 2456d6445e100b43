// `deno task image [--aim-id ORG/MODEL] …` builds the images with docker or buildah and lists them.
import { parseArgs } from "@std/cli/parse-args";
import { digestHex } from "./packaging/digest_hex.ts";
import { loadProfiles } from "../src/profiles/load_profiles.ts";
import type { Profile } from "../src/profiles/types.ts";
import { imageLabels } from "./packaging/image_labels.ts";
import { sourceVersion } from "./packaging/source_version.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const USAGE = `usage: deno task image [OPTIONS] [-- OPTIONS OF THE BUILD TOOL]

Builds aim-base and aim-downloader and, with --aim-id, an image of that model on top of aim-base.

  --aim-id ORG/MODEL        a model that has profiles
  --only NAMES              build only these, comma-separated: aim-base, aim-downloader, aim
  --base IMAGE              the ROCm vLLM image below aim-base
  --downloader-base IMAGE   the image below aim-downloader
  --executable FILE         a file of dist/ (default: dist/aim)
  --registry PREFIX         prefix of the image names, such as HOST/TEAM
  --tag TAG                 image tag (default: aim's version)
  --tool docker|buildah     default: docker if its daemon is running, else buildah
  --dry-run                 only print the commands
`;

/** One image to build. */
interface Image {
  readonly name: string;
  readonly file: string;
  readonly args: Readonly<Record<string, string | undefined>>;
  readonly labels: ReadonlyMap<string, string>;
  /** Its contents, for the report. */
  readonly about: string;
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error(`image: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}

async function main(argv: string[]): Promise<void> {
  const own = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const passed = argv.slice(own.length + 1);
  const flags = parseArgs(own, {
    string: ["aim-id", "only", "base", "downloader-base", "executable", "registry", "tag", "tool"],
    boolean: ["dry-run", "help"],
    unknown: (word) => {
      throw new Error(`unknown word "${word}"; see deno task image --help`);
    },
  });
  if (flags.help === true) return console.log(USAGE);
  const text = (name: string) =>
    typeof flags[name] === "string" && flags[name] !== "" ? flags[name] : undefined;
  const [aimId, only, executable] = [text("aim-id"), text("only"), text("executable") ?? "dist/aim"];
  const { version, commit } = sourceVersion();
  const prefix = (text("registry") ?? "").replace(/\/*$/, "/").replace(/^\/$/, "");
  const tagged = (name: string) => `${prefix}${name}:${text("tag") ?? version}`;
  const common = { VERSION: version, REVISION: commit ?? undefined };
  const digest = await checkedDigest(executable);

  const general = (await profilesOf("general")).length;
  const images: Image[] = [
    {
      name: tagged("aim-base"),
      file: "Dockerfile.aim-base",
      args: { ...common, AIM: executable, BASE: text("base") },
      labels: new Map(),
      about: `aim ${version} (sha256 ${digest.slice(0, 12)}), ${general} general profiles`,
    },
    {
      name: tagged("aim-downloader"),
      file: "Dockerfile.downloader",
      args: { ...common, AIM: executable, BASE: text("downloader-base") },
      labels: new Map(),
      about: `aim ${version} (sha256 ${digest.slice(0, 12)})`,
    },
  ];
  if (aimId !== undefined) images.push(await modelImage(aimId, tagged, common));
  const wanted = images.filter(({ file }) => isWanted(only, file));
  if (wanted.length === 0) {
    throw new Error(`--only ${only} leaves nothing to build; "aim" needs --aim-id`);
  }

  const tool = await chooseTool(text("tool"));
  const commands = wanted.map((image) => buildCommand(tool, image, passed));
  for (const [i, image] of wanted.entries()) {
    const command = commands[i] ?? [];
    console.error(`image: ${command.join(" ")}`);
    if (flags["dry-run"] === true) continue;
    const { success } = await new Deno.Command(tool, { args: command.slice(1), cwd: ROOT, stdin: "null" })
      .spawn().status;
    if (!success) throw new Error(`${tool} could not build ${image.name}`);
  }
  const verb = flags["dry-run"] === true ? "would build" : "built";
  for (const { name, about } of wanted) console.log(`${verb} ${name}: ${about}`);
  if (aimId === undefined && only === undefined) {
    console.log("no model image; to build one, give --aim-id ORG/MODEL");
  }
}

/** The image of one model, with AIM Engine's labels. */
async function modelImage(
  aimId: string,
  tagged: (name: string) => string,
  common: Image["args"],
): Promise<Image> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(aimId) || /(^|\/)\.+(\/|$)/.test(aimId)) {
    throw new Error(`--aim-id is "${aimId}"; use ORG/MODEL`);
  }
  const profiles = await profilesOf(aimId);
  if (profiles.length === 0) {
    throw new Error(
      `there are no profiles in profiles/${aimId}: run aim-base with AIM_MODEL_ID=${aimId}`,
    );
  }
  const file = `container/metadata/${aimId}.yaml`;
  const metadata = readText(`${ROOT}${file}`);
  let labels;
  try {
    labels = imageLabels(aimId, metadata, profiles);
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : error}`);
  }
  const deployments: unknown[] = JSON.parse(labels.get("com.amd.aim.model.recommendedDeployments") ?? "[]");
  return {
    name: tagged(`aim-${aimId.toLowerCase().replace("/", "-")}`),
    file: "Dockerfile.aim",
    args: { ...common, BASE: tagged("aim-base"), AIM_ID: aimId },
    labels,
    about: `${aimId}, ${profiles.length} profiles, ${deployments.length} of them recommended, ` +
      (metadata === null
        ? `no ${file}: labels contain only its name and deployments`
        : `${labels.size} labels`),
  };
}

function isWanted(only: string | undefined, file: string): boolean {
  if (only === undefined) return true;
  const names = only.split(",").map((name) => name.trim());
  const known = ["aim-base", "aim-downloader", "aim"];
  const odd = names.find((name) => !known.includes(name));
  if (odd !== undefined) throw new Error(`--only contains "${odd}"; use ${known.join(", ")}`);
  return names.includes(
    file === "Dockerfile.downloader" ? "aim-downloader" : file.replace("Dockerfile.", ""),
  );
}

function buildCommand(tool: string, image: Image, more: readonly string[]): string[] {
  const args = Object.entries(image.args).flatMap(([name, value]) =>
    value === undefined ? [] : ["--build-arg", `${name}=${value}`]
  );
  const labels = [...image.labels].flatMap(([name, value]) => ["--label", `${name}=${value}`]);
  const verb = tool === "docker" ? "build" : "bud";
  return [tool, verb, "-f", `container/${image.file}`, "-t", image.name, ...args, ...labels, ...more, "."];
}

/** The executable's SHA-256. It must match SHA256SUMS next to it, which the build checks, too. */
async function checkedDigest(path: string): Promise<string> {
  const name = /^dist\/([\w.-]+)$/.exec(path)?.[1];
  if (name === undefined) {
    throw new Error(`--executable is ${path}; only files of dist/ are part of the build context`);
  }
  const sums = readText(`${ROOT}dist/SHA256SUMS`);
  if (sums === null || readText(`${ROOT}${path}`) === null) {
    throw new Error(`there is no ${path}: run deno task compile first`);
  }
  const digest = await digestHex("SHA-256", await Deno.readFile(`${ROOT}${path}`));
  if (!sums.split("\n").includes(`${digest}  ${name}`)) {
    throw new Error(
      `${path} is not the executable that dist/SHA256SUMS describes: run deno task compile again`,
    );
  }
  return digest;
}

async function chooseTool(wanted: string | undefined): Promise<string> {
  if (wanted !== undefined && wanted !== "docker" && wanted !== "buildah") {
    throw new Error(`--tool is "${wanted}"; use docker or buildah`);
  }
  const tools = wanted === undefined
    ? [["docker", "info"], ["buildah", "--version"]]
    : [[wanted, "--version"]];
  for (const [tool = "", ...args] of tools) {
    try {
      const { success } = await new Deno.Command(tool, {
        args,
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return tool;
    } catch { /* not installed */ }
  }
  throw new Error(
    wanted === undefined
      ? "docker's daemon is not running and buildah is not installed; install one"
      : `${wanted} is not installed`,
  );
}

async function profilesOf(folder: string): Promise<Profile[]> {
  const model = folder === "general" ? null : folder;
  const { profiles } = await loadProfiles({ profilePath: `${ROOT}profiles`, embeddedProfiles: false }, model);
  return profiles.filter(({ priority }) => priority === (model === null ? 3 : 2));
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

import type { World } from "../cli/world.ts";

const ROOT = new URL("../../", import.meta.url);

/** A fenced block of a Markdown text. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** The number of its first line, from 1. */
  readonly line: number;
}

/** The fenced blocks of a Markdown text, in order. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const fence = /^( *)```(\w+)$/.exec(lines[at] ?? "");
    if (fence === null) continue;
    const end = lines.findIndex((line, index) => index > at && line.trim() === "```");
    const indent = fence[1]?.length ?? 0;
    blocks.push({
      language: fence[2] ?? "",
      text: lines.slice(at + 1, end).map((line) => line.slice(indent)).join("\n"),
      line: at + 2,
    });
    at = end;
  }
  return blocks;
}

/** A machine for a document's commands, where stub scripts replace every program but aim. */
export interface Machine {
  /** A directory like a clone's top level; its folder `outside` holds the commands' absolute paths. */
  readonly directory: string;
  /** Runs a block with bash, which stops at the first failure. */
  run(block: string): Promise<{ code: number; output: string }>;
}

/** The images' names and their models. */
const IMAGES: Readonly<Record<string, string>> = {
  "meta-llama-llama-3.1-8b-instruct": "meta-llama/Llama-3.1-8B-Instruct",
  "mistralai-mistral-7b-v0.1": "mistralai/Mistral-7B-v0.1",
};

/** Makes the machine in a world's directory. */
export async function makeMachine(world: World): Promise<Machine> {
  const directory = `${world.directory}/clone`;
  const bin = `${world.directory}/bin`;
  const outside = `${directory}/outside`;
  await Deno.mkdir(outside, { recursive: true });
  for (const name of ["container", "profiles", "deno.json"]) {
    await Deno.symlink(new URL(name, ROOT).pathname, `${directory}/${name}`);
  }
  await Deno.rename(`${bin}/aim`, `${bin}/aim-itself`);
  const scripts = {
    aim: AIM,
    deno: deno(bin),
    docker: docker(),
    helm: HELM,
    kubectl: KUBECTL,
    npx: npx(bin),
    rsync: RSYNC,
  };
  for (const [name, text] of Object.entries(scripts)) {
    await Deno.writeTextFile(`${bin}/${name}`, `#!/bin/bash\nset -eu\n${text}\n`, { mode: 0o755 });
  }
  return {
    directory,
    async run(block) {
      const script = block
        // Absolute paths are below the test's own directory.
        .replaceAll(/(?<=[\s=:"]|^)\/(?=data|host|persistent|shared|transfer|var|mnt)/gm, `${outside}/`)
        .replaceAll("airgapped-host:", "")
        .replaceAll("https://minio.example.com:9000", world.s3.url);
      const { code, stdout, stderr } = await new Deno.Command("bash", {
        args: ["-eu", "-o", "pipefail", "-c", script],
        clearEnv: true,
        env: {
          ...world.env,
          AIM_GPU_MODEL: "MI300X",
          AIM_GPU_COUNT: "1",
          HF_TOKEN: "",
          AIM_CACHE_PATH: `${outside}/cache`,
        },
        cwd: directory,
        stdin: "null",
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, output: text(stdout) + text(stderr) };
    },
  };
}

// A page may run `aim resolve` for a model that is not in the cache: exit 5 is expected.
const AIM = `code=0
aim-itself "$@" || code=$?
if [[ \${1:-} == resolve && $code == 5 ]]; then exit 0; fi
exit $code`;

/** `docker run` with aim in place of the image, and `docker build` without building. */
function docker(): string {
  const cases = Object.entries(IMAGES).map(([image, id]) =>
    `*-${image} | *-${image}-v* | *-${image}:*) export AIM_ID=${id} AIM_ALLOW_GENERAL_PROFILE_FALLBACK=false ;;`
  );
  return `verb=$1; shift
if [[ $verb == build ]]; then
  while (($# > 0)); do
    case $1 in
      -f) file=$2; [[ -f $file ]] || { echo "no $file"; exit 1; }; shift ;;
      --build-arg) grep -q "^ARG \${2%%=*}\\b" "$file" || { echo "$file takes no \${2%%=*}"; exit 1; }; shift ;;
      -t) shift ;;
      .) ;;
      *) echo "docker build $1?"; exit 1 ;;
    esac
    shift
  done
  exit 0
fi
[[ $verb == run ]]
unset AIM_CACHE_PATH AIM_MODEL_ID AIM_GPU_MODEL AIM_GPU_COUNT
cache=
while [[ \${1:-} == -* ]]; do
  case $1 in
    --rm) ;;
    --device=*) export AIM_GPU_MODEL=\${AIM_GPU_MODEL:-MI300X} AIM_GPU_COUNT=\${AIM_GPU_COUNT:-1} ;;
    -p | --group-add | --network) shift ;;
    --ipc=host | --shm-size=* | --group-add=* | --network=*) ;;
    -v) [[ $2 == *:/workspace/model-cache ]] && cache=\${2%%:*}; shift ;;
    -e) if [[ $2 == *=* ]]; then export "$2"; fi; shift ;;
    *) echo "docker run $1?"; exit 1 ;;
  esac
  shift
done
image=$1; shift
case $image in
  aim-base:*) ;;
  ${cases.join("\n  ")}
  *) echo "no image $image"; exit 1 ;;
esac
mkdir -p "$cache"
export AIM_CACHE_PATH=$cache HF_HOME=$cache
exec aim-itself "$@"`;
}

const KUBECTL =
  `if [[ $* =~ ^(-n aim )?(create (namespace|secret generic)|get|logs|wait|rollout) ]]; then cat >/dev/null; exit 0; fi
[[ $1 == apply && $2 == -k && -f $3/kustomization.yaml ]] || { echo "kubectl $*?"; exit 1; }
grep -oE '^ *- [a-z./-]+\\.yaml' "$3/kustomization.yaml" | while read -r _ file; do
  [[ -f $3/$file ]] || { echo "no $3/$file"; exit 1; }
done`;

/** tests/container/helm_test.ts tests the chart with helm. */
const HELM = `[[ $1 == install && -f $3/Chart.yaml && -f $3/values.yaml ]] || { echo "helm $*?"; exit 1; }`;

/** `deno task NAME` of an installed Deno. */
function deno(bin: string): string {
  return `[[ $1 == task ]] || { echo "deno $*?"; exit 1; }
exec ${bin}/npx -y deno@${Deno.version.deno} "$@"`;
}

/** `npx -y deno@VERSION task NAME`: checks the version and the task; `compile` makes `dist/aim`. */
function npx(bin: string): string {
  return `[[ $1 == -y && $2 == deno@${Deno.version.deno} && $3 == task ]] || { echo "npx $*?"; exit 1; }
grep -q "^    \\"$4\\": " deno.json || { echo "no task $4"; exit 1; }
if [[ $4 == compile ]]; then mkdir -p dist; cp ${bin}/aim-itself dist/aim; fi`;
}

const RSYNC = `words=()
for word in "$@"; do [[ $word == -* ]] || words+=("$word"); done
mkdir -p "\${words[1]}"
cp -a "\${words[0]}." "\${words[1]}"`;

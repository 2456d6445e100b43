// A model is moved across an air gap: exported, copied into a registry on the other side, downloaded there by
// digest, and served.
import { assert, assertEquals } from "@std/assert";
import { AIM_COMMAND, plainEnvironment } from "../cli/aim.ts";
import { startWorld, type World } from "../cli/world.ts";
import { NO_REGISTRY } from "./docker_registry.ts";
import { sha256 } from "./oci_layout.ts";
import { twoNetworks } from "./two_networks.ts";

const MODEL = "org/model";
/** A stand-in for the engine that prints the model's path. */
const ENGINE = '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = --model ] && echo "$2"; shift; done\n';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(words: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  const [program = "", ...args] = words;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    clearEnv: true,
    env: { ...plainEnvironment(), ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function ok(words: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await run(words, env);
  assertEquals(code, 0, `${words.join(" ")}: ${stderr}`);
  return stdout;
}

async function digests(folder: string): Promise<Record<string, string>> {
  const paths = ["config.json", "model.safetensors"];
  const all = paths.map(async (path) => [path, await sha256(await Deno.readFile(`${folder}/${path}`))]);
  return Object.fromEntries(await Promise.all(all));
}

/** Starts docker-registry on the far side. */
async function registryAt(
  far: readonly string[],
  address: string,
  directory: string,
): Promise<AsyncDisposable> {
  await Deno.writeTextFile(
    `${directory}/registry.yml`,
    `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: ${directory}/registry } }
http: { addr: "${address}:5000" }
`,
  );
  const [program = "", ...args] = [...far, "docker-registry", "serve", `${directory}/registry.yml`];
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  const look = [...far, "bash", "-c", `exec 3<>/dev/tcp/${address}/5000`];
  for (let left = 100; (await run(look, {})).code !== 0; left--) {
    assert(left > 0, "docker-registry does not listen");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

async function exported(world: World): Promise<string> {
  const aim = (...args: string[]) => ok([...AIM_COMMAND, ...args], { ...world.env });
  await aim("download-to-cache", "--model-id", `hf://${MODEL}`);
  const layout = `${world.directory}/layout`;
  return JSON.parse(await aim("export", MODEL, layout, "--oci-layout", "--format", "json")).digest;
}

const probe = NO_REGISTRY === null ? await twoNetworks() : { skip: NO_REGISTRY };
if (!("skip" in probe)) await probe[Symbol.asyncDispose]();
const skip = "skip" in probe ? probe.skip : null;

Deno.test({
  name:
    `a model crosses an air gap as an OCI artifact, is verified by digest, and is served on the other side${
      skip === null ? "" : ` (skipped: ${skip})`
    }`,
  ignore: skip !== null,
  fn: async () => {
    await using world = await startWorld();
    const digest = await exported(world);
    const networks = await twoNetworks();
    if ("skip" in networks) throw new Error(networks.skip);
    await using _networks = networks;
    const { near, far, address } = networks;
    const { directory } = world;
    await using _registry = await registryAt(far, address, directory);
    const repository = `${address}:5000/org/model`;
    const insecure = "--dest-tls-verify=false";
    await ok([
      ...near,
      "skopeo",
      "copy",
      "-q",
      insecure,
      `oci:${directory}/layout:latest`,
      `docker://${repository}:v1`,
    ], {});
    await networks.cut();

    const inspect = ["skopeo", "inspect", "--tls-verify=false", "--raw"];
    const manifest = await ok([...far, ...inspect, `docker://${repository}:v1`], {});
    assertEquals(`sha256:${await sha256(new TextEncoder().encode(manifest))}`, digest);
    assert(
      (await run([...near, ...inspect, `docker://${repository}:v1`], {})).code !== 0,
      "the networks are still connected",
    );

    const env = {
      AIM_CACHE_PATH: `${directory}/other`,
      AIM_OCI_INSECURE: `${address}:5000`,
      PATH: world.env.PATH ?? "",
    };
    const aim = (...args: string[]) => ok([...far, ...AIM_COMMAND, ...args], env);
    const report = JSON.parse(
      await aim("download-to-cache", `oci://${repository}@${digest}`, "--format", "json"),
    );
    const before = await digests(`${directory}/cache/${MODEL}`);
    assertEquals(await digests(report.path), before);
    await aim("cache", "verify", MODEL);
    const wrong = digest.replace(/.$/, (last) => last === "0" ? "1" : "0");
    const refused = [
      ...far,
      ...AIM_COMMAND,
      "download-to-cache",
      `oci://${repository}@${wrong}`,
      "--model-name",
      "a/b",
    ];
    assertEquals((await run(refused, env)).code, 5);

    await Deno.writeTextFile(`${directory}/bin/python`, ENGINE, { mode: 0o755 });
    const serving = { AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1", HF_HUB_OFFLINE: "1" };
    const served = await ok([...far, ...AIM_COMMAND, "serve", MODEL], { ...env, ...serving });
    assertEquals(served.trim(), report.path);

    // And back with the same tool.
    await ok([
      ...far,
      "skopeo",
      "copy",
      "-q",
      "--src-tls-verify=false",
      `docker://${repository}:v1`,
      `oci:${directory}/back:v1`,
    ], {});
    await aim("download-to-cache", `oci-layout:${directory}/back:v1`, "--model-name", "came/back");
    assertEquals(await digests(`${directory}/other/came/back`), before);
  },
});

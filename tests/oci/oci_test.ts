import { assert, assertEquals } from "@std/assert";
import type { ListedModel } from "../../src/cache/list_models.ts";
import { exportOciLayout } from "../../src/export/export_oci_layout.ts";
import { aim } from "../cli/aim.ts";
import { startWorld, type World } from "../cli/world.ts";
import { pythonEnv } from "../interop/python_env.ts";
import { NO_REGISTRY, type RegistryAuth, skopeo, startRegistry } from "./docker_registry.ts";
import { tokenServer } from "./token_server.ts";

const MODEL = "org/model";
const registryTest = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name: NO_REGISTRY === null ? name : `${name} (skipped: ${NO_REGISTRY})`,
    ignore: NO_REGISTRY !== null,
    fn,
  });

/** Exports the model and copies it into a registry with skopeo. Returns its reference. */
async function pushed(world: World, host: string, ...flags: string[]): Promise<string> {
  const { env, directory } = world;
  await ok(["download-to-cache", "--model-id", `hf://${MODEL}`], env);
  await ok(["export", MODEL, `${directory}/layout`, "--tag", "v1"], env);
  await skopeo("copy", "-q", ...flags, `oci:${directory}/layout:v1`, `docker://${host}/models/tiny:v1`);
  return `oci://${host}/models/tiny:v1`;
}

const runAim = (args: readonly string[], env: World["env"]) => aim(args, { env: { ...env } });

async function ok(args: readonly string[], env: World["env"]): Promise<string> {
  const { code, stdout, stderr } = await runAim(args, env);
  assertEquals(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function bytesOf(world: World, path: string): Promise<[Uint8Array, Uint8Array]> {
  return [
    await Deno.readFile(`${world.directory}/cache/${MODEL}/${path}`),
    await Deno.readFile(`${world.directory}/cache/models/tiny/${path}`),
  ];
}

registryTest(
  "a model exported and copied to a registry is unchanged after a download, in both layouts",
  async () => {
    await using world = await startWorld();
    await using registry = await startRegistry();
    const uri = await pushed(world, registry.host, "--dest-tls-verify=false");
    const env = { ...world.env, AIM_OCI_INSECURE: registry.host };
    await ok(["download-to-cache", uri], env);
    for (const path of ["config.json", "model.safetensors"]) {
      const [before, after] = await bytesOf(world, path);
      assertEquals(after, before);
    }
    await ok(["cache", "verify", "models/tiny"], env);
    assertEquals(JSON.parse(await ok(["download-to-cache", uri, "--format", "json"], env)).bytesMoved, 0);
    await ok(["download-to-cache", uri, "--use-hf-cache"], env);
    assertEquals(JSON.parse(await ok(["size", uri], env)).sizeBytes > 70_000, true);
    const resolved = JSON.parse(
      await ok(["resolve", "models/tiny", "--format", "json"], { ...env, HF_HUB_OFFLINE: "1" }),
    );
    assertEquals(resolved.kind, "path");
  },
);

Deno.test("an OCI layout directory can be downloaded by tag or digest, and a changed byte in it exits with 8", async () => {
  await using world = await startWorld();
  const { env, directory } = world;
  await ok(["download-to-cache", "--model-id", `hf://${MODEL}`], env);
  const report = JSON.parse(await ok(["export", MODEL, `${directory}/layout`, "--format", "json"], env));
  assertEquals(report.files, 2);
  const again = JSON.parse(await ok(["export", MODEL, `${directory}/layout2`, "--format", "json"], env));
  assertEquals(again.digest, report.digest);
  const name = ["--model-name", "models/tiny"];
  const pinned = `oci-layout:${directory}/layout@${report.digest}`;
  await ok(["download-to-cache", pinned, "--model-name", "models/pinned"], { ...env, HF_HUB_OFFLINE: "1" });
  const other = `oci-layout:${directory}/layout@sha256:${"0".repeat(64)}`;
  assertEquals((await runAim(["size", other], env)).code, 5);
  await ok(["download-to-cache", `oci-layout:${directory}/layout`, ...name], { ...env, HF_HUB_OFFLINE: "1" });
  assertEquals(...await bytesOf(world, "model.safetensors"));
  const index = JSON.parse(await Deno.readTextFile(`${directory}/layout2/index.json`));
  const blobs = `${directory}/layout2/blobs/sha256`;
  const manifest = JSON.parse(await Deno.readTextFile(`${blobs}/${index.manifests[0].digest.slice(7)}`));
  const largest = manifest.layers.toSorted((a: { size: number }, b: { size: number }) => b.size - a.size)[0];
  const bytes = await Deno.readFile(`${blobs}/${largest.digest.slice(7)}`);
  bytes[50_000] = (bytes[50_000] ?? 0) ^ 1;
  // The file is a hard link to the cache, which must not change.
  await Deno.remove(`${blobs}/${largest.digest.slice(7)}`);
  await Deno.writeFile(`${blobs}/${largest.digest.slice(7)}`, bytes);
  const bad = await runAim(
    ["download-to-cache", `oci-layout:${directory}/layout2`, "--model-name", "a/bad"],
    env,
  );
  assertEquals(bad.code, 8, bad.stderr);
  assertEquals((await runAim(["resolve", "a/bad"], { ...env, HF_HUB_OFFLINE: "1" })).code, 5);
  assertEquals(
    (await runAim(["download-to-cache", `oci-layout:${directory}/none`, "--model-name", "a/b"], env)).code,
    5,
  );
});

Deno.test("an export keeps artifacts with other tags in the layout", async () => {
  await using world = await startWorld();
  const { env, directory } = world;
  await ok(["download-to-cache", "--model-id", `hf://${MODEL}`], env);
  for (const tag of ["v1", "v2", "v1"]) await ok(["export", MODEL, `${directory}/layout`, "--tag", tag], env);
  const { manifests } = JSON.parse(await Deno.readTextFile(`${directory}/layout/index.json`));
  assertEquals(manifests.length, 2);
  for (const tag of ["v1", "v2"]) await ok(["size", `oci-layout:${directory}/layout:${tag}`], env);
});

Deno.test("an export keeps an artifact that a concurrent export added to the layout", async () => {
  const directory = await Deno.makeTempDir();
  const exported = async (name: string, bytes: number) => {
    const path = `${directory}/${name}`;
    await Deno.mkdir(path);
    await Deno.writeFile(`${path}/model.bin`, new Uint8Array());
    await Deno.truncate(`${path}/model.bin`, bytes);
    const model: ListedModel = {
      ...{ name, path, bytes, layout: "local", state: "unverified", files: 1 },
      ...{ revision: null, commit: null, reason: "" },
    };
    await exportOciLayout(model, `${directory}/layout`, name, new AbortController().signal);
  };
  const large = exported("large", 2 ** 28);
  await exported("small", 1);
  await large;
  const { manifests } = JSON.parse(await Deno.readTextFile(`${directory}/layout/index.json`));
  assertEquals(manifests.length, 2);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a damaged index.json and an unknown tag have their own exit codes", async () => {
  await using world = await startWorld();
  const { env, directory } = world;
  await ok(["download-to-cache", "--model-id", `hf://${MODEL}`], env);
  await ok(["export", MODEL, `${directory}/layout`, "--tag", "v1"], env);
  const size = async (tag: string) =>
    (await runAim(["size", `oci-layout:${directory}/layout${tag}`], env)).code;
  assertEquals([await size(""), await size(":v1"), await size(":v2")], [0, 0, 5]);
  for (const [index, code] of [["{", 6], ["null", 5], ['{"manifests":[null]}', 6]] as const) {
    await Deno.writeTextFile(`${directory}/layout/index.json`, index);
    assertEquals(await size(""), code, index);
  }
  await Deno.writeTextFile(`${directory}/layout/index.json`, "{");
  const { code } = await runAim(["export", MODEL, `${directory}/layout`, "--tag", "v2"], env);
  assertEquals([code, await Deno.readTextFile(`${directory}/layout/index.json`)], [6, "{"]);
});

registryTest(
  "a registry with a password accepts the login from the client's auth file, and refuses other requests",
  async () => {
    await using world = await startWorld();
    const htpasswd = await bcryptLine("user", "secret");
    const auth: RegistryAuth = { kind: "basic", htpasswd };
    await using registry = await startRegistry(auth);
    const uri = await pushed(world, registry.host, "--dest-tls-verify=false", "--dest-creds", "user:secret");
    const env = { ...world.env, AIM_OCI_INSECURE: "true" };
    assertEquals((await runAim(["size", uri], env)).code, 4);
    const file = `${world.directory}/auth.json`;
    await Deno.writeTextFile(
      file,
      JSON.stringify({ auths: { [registry.host]: { auth: btoa("user:secret") } } }),
    );
    await ok(["download-to-cache", uri], { ...env, REGISTRY_AUTH_FILE: file });
    await Deno.writeTextFile(
      file,
      JSON.stringify({ auths: { [registry.host]: { auth: btoa("user:wrong") } } }),
    );
    const wrong = await runAim(["size", uri], { ...env, REGISTRY_AUTH_FILE: file });
    assertEquals(wrong.code, 4);
    for (const secret of ["user:wrong", btoa("user:wrong")]) assert(!wrong.stderr.includes(secret));
    await Deno.writeTextFile(file, JSON.stringify({ credHelpers: { [registry.host]: "pass" } }));
    assertEquals((await runAim(["size", uri], { ...env, REGISTRY_AUTH_FILE: file })).code, 2);
  },
);

registryTest(
  "tokens are requested from the registry's realm, with a login or anonymously",
  async () => {
    await using world = await startWorld();
    await using tokens = await tokenServer({ user: "user", password: "secret" });
    await using registry = await startRegistry(tokens.auth);
    const flags = ["--dest-tls-verify=false", "--dest-creds", "user:secret"];
    const uri = await pushed(world, registry.host, ...flags);
    const env = { ...world.env, AIM_OCI_INSECURE: registry.host };
    // Anonymous tokens do not allow a pull.
    assertEquals((await runAim(["size", uri], env)).code, 4);
    const file = `${world.directory}/auth.json`;
    await Deno.writeTextFile(
      file,
      JSON.stringify({ auths: { [registry.host]: { auth: btoa("user:secret") } } }),
    );
    await ok(["size", uri], { ...env, REGISTRY_AUTH_FILE: file });
    await ok(["download-to-cache", uri], { ...env, REGISTRY_AUTH_FILE: file });
    assertEquals(...await bytesOf(world, "model.safetensors"));
  },
);

registryTest("missing and damaged artifacts of a registry have their own exit codes", async () => {
  await using world = await startWorld();
  await using registry = await startRegistry();
  const uri = await pushed(world, registry.host, "--dest-tls-verify=false");
  const env = { ...world.env, AIM_OCI_INSECURE: registry.host };
  assertEquals((await runAim(["size", `oci://${registry.host}/models/none`], env)).code, 5);
  assertEquals((await runAim(["size", uri.replace(":v1", ":v2")], env)).code, 5);
  const [blob] = await largestBlob(registry.storage);
  const bytes = await Deno.readFile(blob);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  await Deno.writeFile(blob, bytes);
  const damaged = await runAim(["download-to-cache", uri], env);
  assertEquals(damaged.code, 8, damaged.stderr);
  await Deno.remove(blob);
  const gone = await runAim(["download-to-cache", uri], env);
  assert([5, 6, 8].includes(gone.code), `${gone.code}: ${gone.stderr}`);
  assertEquals((await runAim(["resolve", "models/tiny"], { ...env, HF_HUB_OFFLINE: "1" })).code, 5);
});

registryTest("a mirror is asked first, and skipped if it does not have the model", async () => {
  await using world = await startWorld();
  await using empty = await startRegistry();
  await using registry = await startRegistry();
  const uri = await pushed(world, registry.host, "--dest-tls-verify=false");
  const env = { ...world.env, AIM_OCI_INSECURE: "true", AIM_OCI_MIRRORS: `${registry.host}=${empty.host}` };
  await ok(["download-to-cache", uri], env);
  const elsewhere = uri.replace(registry.host, "registry.invalid");
  const mirrored = {
    ...world.env,
    AIM_OCI_INSECURE: "true",
    AIM_OCI_MIRRORS: `registry.invalid=${registry.host}`,
  };
  await ok(["size", elsewhere], mirrored);
});

const oras = NO_REGISTRY === null ? await pythonEnv("oras", ["oras==0.2.43"]) : { skip: NO_REGISTRY };
Deno.test({
  name: `files pushed by oras can be downloaded as a model${
    typeof oras === "string" ? "" : ` (skipped: ${oras.skip})`
  }`,
  ignore: typeof oras !== "string",
  fn: async () => {
    await using world = await startWorld();
    await using registry = await startRegistry();
    await ok(["download-to-cache", "--model-id", `hf://${MODEL}`], world.env);
    const { code, stderr } = await new Deno.Command(`${oras}/bin/python3`, {
      args: [
        "-c",
        `import sys, oras.client
client = oras.client.OrasClient(insecure=True)
client.push(target=sys.argv[1], files=["config.json", "model.safetensors"], disable_path_validation=True)`,
        `${registry.host}/models/tiny:v1`,
      ],
      cwd: `${world.directory}/cache/${MODEL}`,
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const env = { ...world.env, AIM_OCI_INSECURE: registry.host };
    await ok(["download-to-cache", `oci://${registry.host}/models/tiny:v1`], env);
    assertEquals(...await bytesOf(world, "model.safetensors"));
  },
});

async function largestBlob(storage: string): Promise<[string, number]> {
  let largest: [string, number] = ["", -1];
  const walk = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) await walk(path);
      else {
        const { size } = await Deno.stat(path);
        if (size > largest[1]) largest = [path, size];
      }
    }
  };
  await walk(`${storage}/docker/registry/v2/blobs`);
  return largest;
}

async function bcryptLine(user: string, password: string): Promise<string> {
  const { stdout, success } = await new Deno.Command("python3", {
    args: [
      "-c",
      `import crypt, sys; print(crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))`,
      password,
    ],
  }).output();
  assert(success);
  return `${user}:${new TextDecoder().decode(stdout).trim()}`;
}

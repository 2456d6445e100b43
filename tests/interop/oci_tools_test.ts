import { assert, assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { makeCertificates } from "../servers/certificates.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { orasGo } from "./oras_go/oras_go.ts";
import { bytesOf } from "../fleet/fleet_model.ts";
import { downloadOnFleet } from "../fleet/nodes.ts";
import { pythonEnv } from "./python_env.ts";
import { has, NO_REGISTRY, skopeo, startRegistry } from "../oci/docker_registry.ts";
import { sha256, writeLayout } from "../oci/oci_layout.ts";
import { tokenServer } from "../oci/token_server.ts";

// Artifacts of real tools, in docker-registry with TLS and tokens.

const oras = NO_REGISTRY === null ? await pythonEnv("oras", ["oras==0.2.43"]) : { skip: NO_REGISTRY };
const goProgram = NO_REGISTRY === null ? await orasGo() : { skip: NO_REGISTRY };
const certificates = await makeCertificates();
const SKIP = NO_REGISTRY ?? (await has("buildah") ? null : "buildah is not installed") ??
  ("skip" in certificates ? certificates.skip : null) ?? (typeof oras === "string" ? null : oras.skip);

const MODEL = {
  "config.json": new TextEncoder().encode('{"model_type":"llama"}\n'),
  "model.safetensors": safetensorsBytes(12_000_000),
};

interface Push {
  /** Contains `model/` and `auth.json`. */
  readonly directory: string;
  readonly host: string;
  readonly ca: string;
}

/** Pushes `model/` to the target. May return the manifest's digest, by which the model is then downloaded. */
type Tool = (push: Push, target: string) => Promise<string | void>;

const TOOLS: Readonly<Record<string, Tool>> = {
  "oras in Python pushes a folder": async (given, target) => {
    await orasClient(
      given,
      `push(target=sys.argv[1], files=["model"], disable_path_validation=True, config_path=sys.argv[3])`,
      target,
    );
  },
  "oras in Go pushes a folder": (given, target) =>
    orasInGo(given, given.directory, ["push", target, "model"]),
  "oras in Go pushes files": (given, target) =>
    orasInGo(given, `${given.directory}/model`, ["push", target, ...Object.keys(MODEL)]),
  "aim exports and oras in Go copies": async (given, target) => {
    const exported = await exportModel(given);
    const copied = await orasInGo(given, given.directory, [
      "copy",
      `${given.directory}/layout`,
      "latest",
      target,
    ]);
    assertEquals(copied, exported);
    return copied;
  },
  "buildah pushes with gzip": (push, target) => buildah(push, target, []),
  "buildah pushes with zstd": (push, target) => buildah(push, target, ["--compression-format", "zstd"]),
  "buildah pushes without compression": (push, target) => buildah(push, target, ["--disable-compression"]),
  "aim exports and skopeo copies": async (given, target) => {
    const { directory } = given;
    const digest = await exportModel(given);
    await copy(directory, `oci:${directory}/layout:latest`, target);
    // ORAS can pull its files, too.
    await orasClient(given, `pull(target=sys.argv[1], outdir="pulled", config_path=sys.argv[3])`, target);
    await run("diff", ["-r", "model", "pulled"], directory);
    return digest;
  },
  // No package registry has KitOps' program: this uses its media types and an archive made by GNU tar.
  "skopeo copies a ModelKit": async ({ directory }, target) => {
    await run("tar", ["--format=pax", "-czf", "kit.tgz", "model"], directory);
    const type = "application/vnd.kitops.modelkit";
    await writeLayout(`${directory}/kit`, {
      artifactType: `${type}.manifest.v1+json`,
      config: {
        mediaType: `${type}.config.v1+json`,
        value: {
          manifestVersion: "1.0.0",
          package: { name: "tiny" },
          model: { name: "tiny", path: "model" },
        },
      },
      layers: [{
        mediaType: `${type}.model.v1.tar+gzip`,
        bytes: await Deno.readFile(`${directory}/kit.tgz`),
      }],
    });
    await copy(directory, `oci:${directory}/kit:latest`, target);
  },
};

/** Exports `model/` to `layout/`. @returns The digest of the manifest. */
async function exportModel({ directory }: Push): Promise<string> {
  await Deno.mkdir(`${directory}/origin/org`, { recursive: true });
  await run("cp", ["-r", "model", "origin/org/model"], directory);
  const words = ["export", "org/model", `${directory}/layout`, "--oci-layout", "--format", "json"];
  const { code, stdout, stderr } = await aim(words, { env: { AIM_CACHE_PATH: `${directory}/origin` } });
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout).digest;
}

/** Runs the program of `oras_go`, logged in. @returns The digest of the manifest. */
async function orasInGo({ ca }: Push, cwd: string, args: readonly string[]): Promise<string> {
  assert(typeof goProgram === "string");
  const env = { REGISTRY_LOGIN: "user:secret", SSL_CERT_FILE: ca };
  return (await run(goProgram, args, cwd, env)).trim();
}

/** Runs a method of the Python client, logged in. */
async function orasClient({ directory, host, ca }: Push, method: string, target: string): Promise<void> {
  const program = `import sys, oras.client
client = oras.client.OrasClient(hostname=sys.argv[2], auth_backend="token")
client.login(username="user", password="secret", hostname=sys.argv[2], config_path=sys.argv[3])
client.${method}`;
  const args = ["-c", program, target, host, `${directory}/auth.json`];
  await run(`${oras}/bin/python3`, args, directory, { REQUESTS_CA_BUNDLE: ca });
}

async function copy(directory: string, from: string, target: string): Promise<void> {
  const flags = ["--dest-authfile", `${directory}/auth.json`, "--dest-cert-dir", `${directory}/certs`];
  await skopeo("copy", "-q", ...flags, from, `docker://${target}`);
}

/** Pushes an image of two layers, like a ModelCar image. */
async function buildah({ directory }: Push, target: string, flags: readonly string[]): Promise<void> {
  await Deno.writeTextFile(
    `${directory}/Containerfile`,
    "FROM scratch\nCOPY model/config.json /models/\nCOPY model/model.safetensors /models/\n",
  );
  const store = ["--root", `${directory}/store`, "--runroot", `${directory}/run`, "--storage-driver", "vfs"];
  const name = "localhost/car:v1";
  await run(
    "buildah",
    [...store, "bud", "--isolation", "chroot", "--layers", "-q", "-t", name, "."],
    directory,
  );
  const login = ["--authfile", `${directory}/auth.json`, "--cert-dir", `${directory}/certs`];
  await run("buildah", [...store, "push", "-q", ...login, ...flags, name, `docker://${target}`], directory);
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { success, stderr, stdout } = await new Deno.Command(program, { args: [...args], cwd, env }).output();
  const printed = new TextDecoder().decode(stdout);
  assert(success, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}${printed}`);
  return printed;
}

for (const [tool, push] of Object.entries(TOOLS)) {
  const skip = SKIP ?? (tool.includes("in Go") && typeof goProgram !== "string" ? goProgram.skip : null);
  Deno.test({
    name: `${tool}: aim downloads it over TLS with a token, into both layouts, and resumes after kill -9${
      skip === null ? "" : ` (skipped: ${skip})`
    }`,
    ignore: skip !== null,
    fn: async () => {
      if ("skip" in certificates) return;
      const { tls, caPath } = certificates;
      await using tokens = await tokenServer({ user: "user", password: "secret" }, tls);
      await using registry = await startRegistry(tokens.auth, { tls });
      const directory = await Deno.makeTempDir();
      try {
        const { host } = registry;
        await Deno.writeTextFile(
          `${directory}/auth.json`,
          JSON.stringify({ auths: { [host]: { auth: btoa("user:secret") } } }),
        );
        await Deno.mkdir(`${directory}/certs`);
        await Deno.copyFile(caPath, `${directory}/certs/ca.crt`);
        await Deno.mkdir(`${directory}/model`);
        for (const [path, bytes] of Object.entries(MODEL)) {
          await Deno.writeFile(`${directory}/model/${path}`, bytes);
        }
        const digest = await push({ directory, host, ca: caPath }, `${host}/models/tiny:v1`);

        const uri = `oci://${host}/models/tiny${digest ? `@${digest}` : ":v1"}`;
        const client = { REGISTRY_AUTH_FILE: `${directory}/auth.json`, SSL_CERT_FILE: caPath };
        const env = { ...client, AIM_CACHE_PATH: `${directory}/cache` };
        for (const flags of [[], ["--use-hf-cache"]]) {
          const words = ["download-to-cache", uri, "--format", "json", ...flags];
          const first = await aim(words, { env });
          assertEquals(first.code, 0, first.stderr);
          const { path, files } = JSON.parse(first.stdout);
          assertEquals(files, 2);
          for (const [name, bytes] of Object.entries(MODEL)) {
            assertEquals(await sha256(await Deno.readFile(`${path}/${name}`)), await sha256(bytes), name);
          }
          const second = await aim(words, { env });
          assertEquals(JSON.parse(second.stdout).bytesMoved, 0);
        }
        assertEquals((await aim(["cache", "verify", "models/tiny"], { env })).code, 0);
        const slow = {
          AIM_DOWNLOAD_MAX_BANDWIDTH: "6MB",
          AIM_DOWNLOAD_PART_SIZE: "1MiB",
          AIM_DOWNLOAD_JOBS: "2",
        };
        const [node] = await downloadOnFleet({
          ref: uri,
          env: { ...client, ...slow },
          count: 1,
          expected: MODEL,
        });
        assert(node !== undefined && node.bytesMoved < 0.9 * bytesOf(MODEL), `${node?.bytesMoved} bytes`);
        // Without the login or without the CA, access fails.
        assertEquals((await aim(["size", uri], { env: { ...env, REGISTRY_AUTH_FILE: "" } })).code, 4);
        assertEquals((await aim(["size", uri], { env: { ...env, SSL_CERT_FILE: "" } })).code, 6);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

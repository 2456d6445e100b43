import { assert, assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { makeCertificates } from "../servers/certificates.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { pythonEnv } from "./python_env.ts";
import { has, NO_REGISTRY, skopeo, startRegistry } from "../oci/docker_registry.ts";
import { sha256, writeLayout } from "../oci/oci_layout.ts";
import { tokenServer } from "../oci/token_server.ts";

// Artifacts that real tools make, in docker-registry with TLS and tokens.

const oras = NO_REGISTRY === null ? await pythonEnv("oras", ["oras==0.2.43"]) : { skip: NO_REGISTRY };
const certificates = await makeCertificates();
const SKIP = NO_REGISTRY ?? (await has("buildah") ? null : "buildah is not installed") ??
  ("skip" in certificates ? certificates.skip : null) ?? (typeof oras === "string" ? null : oras.skip);

const MODEL = {
  "config.json": new TextEncoder().encode('{"model_type":"llama"}\n'),
  "model.safetensors": safetensorsBytes(3_000_000),
};

/** What a tool is given. */
interface Push {
  /** Holds `model/` and `auth.json`. */
  readonly directory: string;
  readonly host: string;
  readonly ca: string;
}

/** Pushes `model/` as `HOST/models/KIND:v1`. */
const TOOLS: Readonly<Record<string, (push: Push, target: string) => Promise<void>>> = {
  "oras, a folder": async (given, target) => {
    await orasClient(
      given,
      `push(target=sys.argv[1], files=["model"], disable_path_validation=True, config_path=sys.argv[3])`,
      target,
    );
  },
  "buildah, gzip": (push, target) => buildah(push, target, []),
  "buildah, zstd": (push, target) => buildah(push, target, ["--compression-format", "zstd"]),
  "buildah, not packed": (push, target) => buildah(push, target, ["--disable-compression"]),
  "aim export": async (given, target) => {
    const { directory } = given;
    const env = { AIM_CACHE_PATH: `${directory}/origin` };
    await Deno.mkdir(`${directory}/origin/org`, { recursive: true });
    await run("cp", ["-r", "model", "origin/org/model"], directory);
    const { code, stderr } = await aim(["export", "org/model", `${directory}/layout`, "--oci-layout"], {
      env,
    });
    assertEquals(code, 0, stderr);
    await copy(directory, `oci:${directory}/layout:latest`, target);
    // ORAS finds the files in it, too.
    await orasClient(given, `pull(target=sys.argv[1], outdir="pulled", config_path=sys.argv[3])`, target);
    await run("diff", ["-r", "model", "pulled"], directory);
  },
  // KitOps' own program is not in any registry of packages: its media types, and a tar archive by GNU tar.
  "a ModelKit": async ({ directory }, target) => {
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

/** An image of two layers, as ModelCar images are made. */
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
): Promise<void> {
  const { success, stderr, stdout } = await new Deno.Command(program, { args: [...args], cwd, env }).output();
  const said = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  assert(success, `${program} ${args.join(" ")}: ${said}`);
}

for (const [tool, push] of Object.entries(TOOLS)) {
  Deno.test({
    name: `what ${tool} makes is fetched over TLS with a token, into both layouts${
      SKIP === null ? "" : ` (skipped: ${SKIP})`
    }`,
    ignore: SKIP !== null,
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
        await push({ directory, host, ca: caPath }, `${host}/models/tiny:v1`);

        const uri = `oci://${host}/models/tiny:v1`;
        const env = {
          AIM_CACHE_PATH: `${directory}/cache`,
          REGISTRY_AUTH_FILE: `${directory}/auth.json`,
          SSL_CERT_FILE: caPath,
        };
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
        // Nobody else may read it, and only the named authority is trusted.
        assertEquals((await aim(["size", uri], { env: { ...env, REGISTRY_AUTH_FILE: "" } })).code, 4);
        assertEquals((await aim(["size", uri], { env: { ...env, SSL_CERT_FILE: "" } })).code, 6);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

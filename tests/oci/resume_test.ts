import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import { makeTar } from "../archive/make_tar.ts";
import { aim, AIM_COMMAND, plainEnvironment } from "../cli/aim.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { type OciServer, type ServedLayer, startOci } from "../servers/oci_server.ts";
import { sha256 } from "./oci_layout.ts";

const MIB = 2 ** 20;
const CONFIG = new TextEncoder().encode('{"model_type":"llama"}\n');
const WEIGHTS = safetensorsBytes(16 * MIB);
const TYPE = "application/vnd.cncf.model";

function packed(
  suffix: string,
  pack: (tar: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): ServedLayer[] {
  const tar = makeTar([
    { name: "model/config.json", content: CONFIG },
    { name: "model/model.safetensors", content: WEIGHTS },
  ]);
  return [{ mediaType: `${TYPE}.weight.v1.${suffix}`, bytes: pack(tar), file: "all" }];
}

/** The same model in layers of each kind. */
const KINDS: Readonly<Record<string, readonly ServedLayer[]>> = {
  "files": [["config.json", CONFIG], ["model.safetensors", WEIGHTS]].map(([file, bytes]) => ({
    mediaType: `${TYPE}.weight.v1.raw`,
    bytes: new Uint8Array(bytes as Uint8Array),
    annotations: { "org.cncf.model.filepath": String(file) },
    file: String(file),
  })),
  "a tar archive": packed("tar", (tar) => tar),
  "a compressed archive": packed("tar+gzip", (tar) => new Uint8Array(gzipSync(tar))),
};

for (const [kind, layers] of Object.entries(KINDS)) {
  for (const layout of ["local", "hub"] as const) {
    Deno.test(`a killed download of ${kind} resumes, ${layout} layout`, async () => {
      await using server = await startOci({ layers, artifactType: `${TYPE}.manifest.v1+json` });
      const directory = await Deno.makeTempDir();
      const env = { AIM_CACHE_PATH: `${directory}/cache`, AIM_OCI_INSECURE: server.host };
      const words = [
        ...["download-to-cache", `oci://${server.host}/org/tiny`, "--format", "json"],
        ...["--jobs", "2", "--part-size", "1M", ...(layout === "hub" ? ["--use-hf-cache"] : [])],
      ];
      await killedAfter(12 * MIB, server, [...words, "--max-bandwidth", "12M"], env);
      const again = await aim(words, { env });
      assertEquals(again.code, 0, again.stderr);
      assertEquals(again.stderr.includes("unpacking starts over"), kind === "a compressed archive");
      const { bytesMoved, path } = JSON.parse(again.stdout);
      // The missing 4 MiB, one part per connection, and bytes that the killed process had received but not
      // written.
      assert(bytesMoved < 10 * MIB, `${bytesMoved} bytes were downloaded again`);
      assertEquals(await sha256(await Deno.readFile(`${path}/model.safetensors`)), await sha256(WEIGHTS));
      assertEquals(await sha256(await Deno.readFile(`${path}/config.json`)), await sha256(CONFIG));
      const last = await aim(words, { env });
      assertEquals([last.code, JSON.parse(last.stdout).bytesMoved], [0, 0], last.stderr);
      await Deno.remove(directory, { recursive: true });
    });
  }
}

/** Runs aim, and kills it once the server has sent this many bytes. */
async function killedAfter(
  bytes: number,
  server: OciServer,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const [program = "", ...args] = AIM_COMMAND;
  const child = new Deno.Command(program, {
    args: [...args, ...words],
    clearEnv: true,
    env: { ...plainEnvironment(), ...env },
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  const sent = () => server.requests.reduce((sum, request) => sum + request.sent, 0);
  const watch = setInterval(() => {
    if (sent() < bytes) return;
    clearInterval(watch);
    child.kill("SIGKILL");
  }, 5);
  const { signal } = await child.status;
  clearInterval(watch);
  assertEquals(signal, "SIGKILL");
}

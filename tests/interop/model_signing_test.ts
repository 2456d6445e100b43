// Model signatures compared with OpenSSF's own package: both accept and reject the same models.
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { AimError } from "../../src/errors/aim_error.ts";
import { signedFiles } from "../../src/signing/signed_files.ts";
import { aim } from "../cli/aim.ts";
import { installed, run } from "../cache/caches.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";
import { pythonEnv } from "./python_env.ts";

const env = await pythonEnv("signing", ["model-signing==1.1.1", "pyopenssl==26.4.0"]);
const reason = typeof env !== "string" ? env.skip : installed("openssl") ? null : "openssl is not installed";
const ignore = reason !== null;
const where = reason === null ? "model-signing 1.1.1" : `ignored: ${reason}`;

const SHARD = "model-00002-of-00002.safetensors";
const FILES: Record<string, Uint8Array | string> = {
  "config.json": '{"model_type":"llama"}\n',
  "model-00001-of-00002.safetensors": safetensorsBytes(5000, 1),
  [SHARD]: safetensorsBytes(4000, 2),
  "sub/notes.json": "{}",
};

/** A signed model in a local cache, and its keys. */
async function world(sign: readonly string[], curve = "prime256v1") {
  const at = await Deno.makeTempDir();
  const model = `${at}/cache/org/model`;
  for (const [path, content] of Object.entries(FILES)) {
    await Deno.mkdir(`${model}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeFile(
      `${model}/${path}`,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
  }
  for (const name of ["own", "other"]) {
    await run("openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", `${at}/${name}.key`);
    await run("openssl", "ec", "-in", `${at}/${name}.key`, "-pubout", "-out", `${at}/${name}.pub`);
  }
  await makeCertificates(at);
  const signature = `${model}/model.sig`;
  const words = sign.map((word) => word.replaceAll("AT", at));
  await python("sign", ...words, "--signature", signature, model);
  return {
    at,
    model,
    signature,
    /** Exit codes of aim and of Python for the same verification. */
    async verify(
      by: readonly string[],
      file = signature,
    ): Promise<{ aim: number; python: number; said: string }> {
      const flags = by.map((word) => word.replaceAll("AT", at));
      const ran = await aim(["cache", "verify", "org/model", "--signature", file, ...flags], {
        env: { AIM_CACHE_PATH: `${at}/cache` },
      });
      const kind = flags[0] === "--key" ? ["key", "--public_key"] : ["certificate", "--certificate_chain"];
      // aim's own folder is not part of the model.
      const theirs = await python(
        "verify",
        ...kind,
        flags[1] ?? "",
        "--signature",
        file,
        "--ignore-paths",
        `${model}/.aim`,
        model,
      ).then(() => 0, () => 1);
      return { aim: ran.code, python: theirs, said: ran.stdout + ran.stderr };
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(at, { recursive: true });
    },
  };
}

async function python(...args: string[]): Promise<string> {
  return await run(`${env}/bin/python3`, "-m", "model_signing", ...args);
}

/** Certificates: a root, an intermediate, the signer's, and an unrelated root. */
async function makeCertificates(at: string): Promise<void> {
  const issue = async (name: string, issuer: string | null, extensions: string) => {
    await Deno.writeTextFile(`${at}/${name}.ext`, extensions);
    if (!await exists(`${at}/${name}.key`)) {
      await run(
        "openssl",
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        `${at}/${name}.key`,
      );
    }
    await run(
      "openssl",
      "req",
      "-new",
      "-key",
      `${at}/${name}.key`,
      "-subj",
      `/CN=${name}`,
      "-out",
      `${at}/${name}.csr`,
    );
    const by = issuer === null
      ? ["-signkey", `${at}/${name}.key`]
      : ["-CA", `${at}/${issuer}.crt`, "-CAkey", `${at}/${issuer}.key`, "-CAcreateserial"];
    await run(
      "openssl",
      "x509",
      "-req",
      "-in",
      `${at}/${name}.csr`,
      ...by,
      "-days",
      "30",
      "-extfile",
      `${at}/${name}.ext`,
      "-out",
      `${at}/${name}.crt`,
    );
  };
  const authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
  await issue("root", null, authority);
  await issue("stranger", null, authority);
  await issue("between", "root", authority);
  await issue(
    "own",
    "between",
    "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n",
  );
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const KEY = ["key", "--private_key", "AT/own.key"];
const CERTIFICATE = [
  ...["certificate", "--private_key", "AT/own.key", "--signing_certificate", "AT/own.crt"],
  ...["--certificate_chain", "AT/between.crt"],
];

for (
  const [name, sign, by, wrong] of [
    ["a key", KEY, ["--key", "AT/own.pub"], ["--key", "AT/other.pub"]],
    ["a certificate", CERTIFICATE, ["--certificate-chain", "AT/root.crt"], [
      "--certificate-chain",
      "AT/stranger.crt",
    ]],
  ] as const
) {
  Deno.test({
    name: `a model signed with ${name} is verified, and rejected after any change (${where})`,
    ignore,
    async fn(t) {
      await using w = await world(sign);
      const both = async (
        step: string,
        expected: 0 | 8,
        names = "",
        using: readonly string[] = by,
        file?: string,
      ) => {
        await t.step(step, async () => {
          const found = await w.verify(using, file);
          assertEquals([found.aim, found.python], [expected, expected === 0 ? 0 : 1], found.said);
          assertStringIncludes(found.said, names);
        });
      };
      await both("unchanged", 0);
      await both("another signer", 8, "", wrong);
      const shard = await Deno.readFile(`${w.model}/${SHARD}`);
      const turned = shard.slice();
      turned[turned.length - 1] = (turned.at(-1) ?? 0) ^ 1;
      await Deno.writeFile(`${w.model}/${SHARD}`, turned);
      await both("one changed byte of a shard", 8, SHARD);
      await Deno.writeFile(`${w.model}/${SHARD}`, shard);
      await both("restored", 0);
      await Deno.writeTextFile(`${w.model}/extra.json`, "{}");
      await both("an unsigned file", 8, "extra.json");
      await Deno.remove(`${w.model}/extra.json`);
      await Deno.remove(`${w.model}/sub/notes.json`);
      await both("a missing file", 8, "sub/notes.json");
      await Deno.writeTextFile(`${w.model}/sub/notes.json`, "{}");
      const text = await Deno.readTextFile(w.signature);
      const bundle = JSON.parse(text);
      const forged = `${w.at}/forged.sig`;
      const payload = JSON.parse(
        new TextDecoder().decode(Uint8Array.fromBase64(bundle.dsseEnvelope.payload)),
      );
      payload.predicate.resources[0].digest = "0".repeat(64);
      await Deno.writeTextFile(
        forged,
        JSON.stringify({
          ...bundle,
          dsseEnvelope: {
            ...bundle.dsseEnvelope,
            payload: new TextEncoder().encode(JSON.stringify(payload)).toBase64(),
          },
        }),
      );
      await both("a forged payload", 8, "", by, forged);
      await Deno.writeTextFile(forged, text.slice(0, text.length / 2));
      await both("a truncated signature", 8, "", by, forged);
    },
  });
}

for (const curve of ["secp384r1", "secp521r1"]) {
  Deno.test({
    name: `a signature with ${curve} is verified (${where})`,
    ignore,
    async fn() {
      await using w = await world(KEY, curve);
      assertEquals((await w.verify(["--key", "AT/own.pub"])).aim, 0);
      assertEquals((await w.verify(["--key", "AT/other.pub"])).aim, 8);
    },
  });
}

for (const layout of ["local", "hub"]) {
  Deno.test({
    name:
      `a download into the ${layout} layout is verified against its signature before the model becomes available (${where})`,
    ignore,
    async fn() {
      await using w = await world(KEY);
      const files: Record<string, Uint8Array | string> = {
        ...FILES,
        "model.sig": await Deno.readTextFile(w.signature),
      };
      const download = async (served: typeof files, key: string) => {
        await using hub = await startHub({ repos: [{ id: "org/model", files: served }] });
        const cache = await Deno.makeTempDir();
        const vars = { AIM_CACHE_PATH: cache, HF_ENDPOINT: hub.url };
        const flags = layout === "hub" ? ["--use-hf-cache"] : [];
        const ran = await aim(["download-to-cache", "--model-id", "org/model", "--key", key, ...flags], {
          env: vars,
        });
        const found = await aim(["resolve", "org/model", "--gpu-model", "MI300X"], { env: vars });
        await Deno.remove(cache, { recursive: true });
        return { code: ran.code, resolved: found.code, said: ran.stderr };
      };
      const good = await download(files, `${w.at}/own.pub`);
      assertEquals([good.code, good.resolved], [0, 0], good.said);
      const foreign = await download(files, `${w.at}/other.pub`);
      assertEquals([foreign.code, foreign.resolved], [8, 5], foreign.said);
      const changed = await download({ ...files, [SHARD]: safetensorsBytes(4000, 3) }, `${w.at}/own.pub`);
      assertEquals([changed.code, changed.resolved], [8, 5], changed.said);
      assert(changed.said.includes(SHARD), changed.said);
      const { "model.sig": _, ...unsigned } = files;
      assertEquals((await download(unsigned, `${w.at}/own.pub`)).code, 8);
    },
  });
}

for (const layout of ["local", "hub"]) {
  Deno.test({
    name:
      `a cached model in the ${layout} layout is verified against its signature offline, with an unreachable hub, and when up to date (${where})`,
    ignore,
    async fn() {
      await using w = await world(KEY);
      const files = { ...FILES, "model.sig": await Deno.readTextFile(w.signature) };
      await using hub = await startHub({ repos: [{ id: "org/model", files }] });
      const cache = await Deno.makeTempDir();
      const codes = async (key: string) => {
        const settings: readonly Record<string, string>[] = [
          { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: "1" },
          { HF_ENDPOINT: "http://127.0.0.1:9" },
          { HF_ENDPOINT: hub.url },
        ];
        const found: number[] = [];
        for (const vars of settings) {
          const ran = await aim(
            ["download-to-cache", "org/model", ...layout === "hub" ? ["--use-hf-cache"] : []],
            {
              env: { ...vars, AIM_CACHE_PATH: cache, ...key === "" ? {} : { AIM_MODEL_SIGNATURE_KEY: key } },
            },
          );
          found.push(ran.code);
          if (ran.code !== 0 && key.endsWith("own.pub")) assertStringIncludes(ran.stderr, SHARD);
        }
        return found;
      };
      const env = { AIM_CACHE_PATH: cache, HF_ENDPOINT: hub.url };
      const flags = layout === "hub" ? ["--use-hf-cache"] : [];
      const first = await aim(["download-to-cache", "org/model", "--json", ...flags], { env });
      assertEquals(first.code, 0, first.stderr);
      assertEquals(await codes(`${w.at}/own.pub`), [0, 0, 0]);
      assertEquals(await codes(`${w.at}/other.pub`), [8, 8, 8]);
      const shard = await Deno.realPath(`${JSON.parse(first.stdout).path}/${SHARD}`);
      await Deno.writeFile(shard, safetensorsBytes(4000, 3));
      assertEquals(await codes(`${w.at}/own.pub`), [8, 8, 8]);
      assertEquals(await codes(""), [0, 0, 0]);
      await Deno.remove(cache, { recursive: true });
    },
  });
}

Deno.test("a signature without a key, two kinds of keys, an unreadable key and keyless signing are usage errors", async () => {
  const at = await Deno.makeTempDir();
  await Deno.mkdir(`${at}/org/model`, { recursive: true });
  await Deno.writeTextFile(`${at}/org/model/config.json`, "{}");
  for (
    const flags of [["--signature", "x.sig"], ["--key", "a", "--certificate-chain", "b"], [
      "--key",
      "/nowhere.pem",
    ], ["--identity", "me", "--issuer", "https://x"]]
  ) {
    assertEquals(
      (await aim(["cache", "verify", ...flags], { env: { AIM_CACHE_PATH: at } })).code,
      2,
      flags.join(" "),
    );
  }
  const both = await aim(["cache", "verify", "--key", "a", "--certificate-chain", "b"], {
    env: { AIM_CACHE_PATH: at },
  });
  assertMatch(both.stderr, /the key \S*a and the certificate chain \S*b are both given/);
  await Deno.remove(at, { recursive: true });
});

Deno.test("a signer's file that is not PEM is named", () => {
  const bundle = (verificationMaterial: object) =>
    JSON.stringify({
      dsseEnvelope: {
        payload: "e30=",
        payloadType: "application/vnd.in-toto+json",
        signatures: [{ sig: "" }],
      },
      verificationMaterial,
    });
  const cases = [
    ["key", {}],
    ["certificates", { x509CertificateChain: { certificates: [{ rawBytes: "AA==" }] } }],
  ] as const;
  for (const [kind, material] of cases) {
    const signer = { kind, path: "/keys/signer.pem", pem: "nonsense" };
    const error = assertThrows(() => signedFiles(bundle(material), signer, "model.sig"), AimError);
    assertStringIncludes(error.message, "/keys/signer.pem");
  }
});

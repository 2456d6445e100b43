import { assert, assertEquals } from "@std/assert";
import { COMMAND_NAMES } from "../../src/cli/registry.ts";
import { aim, type Ran } from "./aim.ts";
import { aimInProcess } from "./aim_in_process.ts";
import { GATED, startWorld, type World } from "./world.ts";

/** Planted secrets, which must not appear in any output. */
const TOKEN = "hf_PlantedHubToken4711";
const SECRET_KEY = "PlantedSecretKey/4711+abcdefghijklmnop";
const SESSION = "PlantedSessionToken4711==";
const KEY_ID = "PLANTEDKEYID47114711";
const PROXY_PASSWORD = "PlantedProxyPass4711";
/** Only in URLs, so that no variable registers it as a secret. */
const URL_PASSWORD = "PlantedUrlPass4711";
const ENGINE_KEY = "PlantedEngineKey4711";
/** Too short to be redacted wherever it occurs. */
const SHORT_KEY = "Zq9~";
const PLANTED = [TOKEN, SECRET_KEY, SESSION, KEY_ID, PROXY_PASSWORD, URL_PASSWORD, ENGINE_KEY, SHORT_KEY];

/** Query parameters of signed URLs with a value that is not redacted. */
const SIGNED = /(Signature|X-Amz-Security-Token|X-Amz-Credential|Policy|Key-Pair-Id)=(?!\*\*\*)[^\s&"]/i;

/** Arguments with which a command does most of its work; other commands run without arguments. */
const WORDS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "download-to-cache": [
    ["--model-id", `hf://${GATED}`],
    ["--model-id", "s3://models/org/llama-7b"],
    ["--model-id", "s3://models/org/llama-7b", "--use-hf-cache", "--progress", "json", "--format", "json"],
  ],
  "fetch": [[`hf://${GATED}`, "fetched"], ["s3://models/org/llama-7b", "fetched-s3"]],
  "size": [[`hf://${GATED}`], ["s3://models/org/llama-7b"]],
  "dry-run": [["--model", GATED, "--format", "json"], ["--model", GATED]],
  "serve": [["--model", GATED]],
  "doctor": [["--model", GATED], ["--model", "s3://models/org/llama-7b", "--format", "json"]],
  "list-profiles": [["--model", GATED], ["--model", GATED, "--format", "json"]],
  "resolve": [[GATED], [GATED, "--format", "json"]],
  "cache verify": [[GATED]],
  "cache remove": [["org/llama-7b", "--yes"]],
  "cache prune": [["--yes"]],
  "profiles validate": [["none.yaml"]],
  "completions": [["bash"]],
  "__complete": [["--", "serve", "--model", ""]],
};

/** `serve` becomes the engine and needs its own process; other commands run in this one. */
function run(args: readonly string[], options: { cwd: string; env: Record<string, string> }): Promise<Ran> {
  return args[0] === "serve" ? aim(args, options) : aimInProcess(args, options);
}

async function searched(world: World, args: readonly string[], env: Record<string, string>): Promise<void> {
  for (const format of ["text", "json"]) {
    const { stdout, stderr } = await run(args, {
      cwd: world.directory,
      env: {
        ...world.env,
        AIM_LOG_LEVEL: "DEBUG",
        AIM_LOG_LEVEL_ROOT: "DEBUG",
        AIM_LOG_FORMAT: format,
        ...env,
      },
    });
    // The stub engine prints its arguments.
    const all = (stdout + stderr).replace(/^engine: .*$/m, "");
    for (const secret of PLANTED) {
      for (const form of [secret, encodeURIComponent(secret), btoa(secret)]) {
        assert(!all.includes(form), `aim ${args.join(" ")} shows ${form}:\n${all}`);
      }
    }
    assert(!SIGNED.test(all), `aim ${args.join(" ")} shows a signature:\n${all}`);
  }
}

Deno.test("no command shows a token, key, password or signature at any log level or format", async (t) => {
  await using world = await startWorld(TOKEN);
  const env = {
    AIM_GPU_MODEL: "MI300X",
    HF_TOKEN: TOKEN,
    HTTPS_PROXY: `http://someone:${PROXY_PASSWORD}@127.0.0.1:9`,
    AIM_ENGINE_ARGS: JSON.stringify({
      "api-key": [ENGINE_KEY, SHORT_KEY],
      "x": { "hf-token": ENGINE_KEY },
      "y": JSON.stringify({ token: SHORT_KEY }),
    }),
  };
  for (const name of [...COMMAND_NAMES, "__complete"]) {
    await t.step(name, async () => {
      for (const words of WORDS[name] ?? [[]]) await searched(world, [...name.split(" "), ...words], env);
    });
  }
});

Deno.test("no secret is shown if a server refuses it, a URL is wrong, or a value is invalid", async (t) => {
  await using world = await startWorld("hf_anothertoken0002");
  const planted = {
    AIM_GPU_MODEL: "MI300X",
    HF_TOKEN: TOKEN,
    AWS_ACCESS_KEY_ID: KEY_ID,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    AWS_SESSION_TOKEN: SESSION,
  };
  const cases: readonly (readonly [string, readonly string[], Record<string, string>])[] = [
    ["a token unknown to the hub", ["size", `hf://${GATED}`], {}],
    ["keys unknown to S3", ["size", "s3://models/org/llama-7b"], {}],
    ["an invalid token", ["size", `hf://${GATED}`], { HF_TOKEN: `${TOKEN} ${SECRET_KEY}` }],
    ["an endpoint with a password", ["size", `hf://${GATED}`], {
      HF_ENDPOINT: `http://u:${PROXY_PASSWORD}@127.0.0.1:9`,
    }],
    ["an invalid endpoint", ["size", `hf://${GATED}`], { HF_ENDPOINT: `u:${PROXY_PASSWORD}@hub` }],
    ["invalid engine arguments", ["dry-run", GATED], {
      AIM_ENGINE_ARGS: `{"api-key": "${ENGINE_KEY}", oops}`,
    }],
    ["a refused engine argument", ["dry-run", GATED], {
      AIM_ENGINE_ARGS: `{"api-key": "${ENGINE_KEY}", "max-num-seqs": "many"}`,
    }],
    ["a model with a password", ["size", `s3://${KEY_ID}:${SECRET_KEY}@models/x`], {}],
    ["a bucket with a password", ["size", `s3://u:${URL_PASSWORD}@models/x`], {}],
    ["a registry with a password", ["size", `oci://u:${URL_PASSWORD}@127.0.0.1:9/x:y`], {}],
    ["a working endpoint with a password", ["doctor", "org/model"], {
      HF_ENDPOINT: world.hub.url.replace("//", `//u:${URL_PASSWORD}@`),
    }],
  ];
  for (const [name, args, env] of cases) {
    await t.step(name, () => searched(world, args, { ...planted, ...env }));
  }
});

Deno.test("the planted secrets are the ones that aim sends to the servers", async () => {
  await using world = await startWorld(TOKEN);
  const { code } = await aim(["fetch", `hf://${GATED}`, "here"], {
    cwd: world.directory,
    env: { ...world.env, HF_TOKEN: TOKEN },
  });
  assertEquals([code, world.hub.leaks], [0, []]);
});

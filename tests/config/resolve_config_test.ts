import { assert, assertEquals, assertThrows } from "@std/assert";
import { resolveConfig } from "../../src/config/resolve_config.ts";
import { type Setting, type SettingName, SETTINGS } from "../../src/config/settings.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { redact } from "../../src/log/redact.ts";
import { pythonJson } from "../../src/values/write_json.ts";
import { wantedModel } from "../../src/serve/served_model.ts";

const NAMES = Object.keys(SETTINGS) as SettingName[];

/** Two valid values for each kind of setting, neither of which is the default. */
function samples(setting: Setting): [string, string] {
  switch (setting.type.kind) {
    case "text":
      return ["first-sample", "second-sample"];
    case "path":
      return ["/first", "/second"];
    case "list":
    case "choice": {
      const { choices } = setting.type;
      return [choices[0] ?? "", choices.at(-1) ?? ""];
    }
    case "boolean":
      return ["true", "false"];
    case "integer":
      return [String(setting.type.min), String(setting.type.max)];
    case "size":
      return ["70000", "80000"];
    case "duration":
      return ["3", "4"];
    case "accelerator":
      return ["mi300x", "CPU"];
    case "json-object":
      return ['{"a":1}', '{"b":2}'];
    case "url":
      return ["http://first", "http://second"];
  }
}

Deno.test("the precedence of every setting is flag, variable, default", () => {
  for (const name of NAMES) {
    const setting: Setting = SETTINGS[name];
    const [fromEnv, fromFlag] = samples(setting);
    const variable = setting.env[0] ?? "";
    const alone = resolveConfig({ flags: {}, env: {} });
    assertEquals(alone.origins[name], "default");
    assertEquals(alone[name] === null, setting.default === null, `the default of ${name}`);
    const byEnv = resolveConfig({ flags: {}, env: { [variable]: fromEnv } });
    assertEquals(byEnv.origins[name], "environment");
    if (setting.flag === null) continue;
    const byFlag = resolveConfig({ flags: { [name]: fromFlag }, env: { [variable]: fromEnv } });
    assertEquals(byFlag.origins[name], "flag");
    assertEquals(byFlag[name], resolveConfig({ flags: { [name]: fromFlag }, env: {} })[name]);
  }
});

Deno.test("no two settings share a variable or a flag", () => {
  const words = NAMES.flatMap((n) => {
    const { env, flag, flagAliases }: Setting = SETTINGS[n];
    return [...env, ...[flag, ...flagAliases ?? []].filter((f) => f !== null)];
  });
  assertEquals(new Set(words).size, words.length);
});

Deno.test("the defaults are the documented ones", () => {
  const c = resolveConfig({ flags: {}, env: {} });
  assertEquals(
    [
      c.precision,
      c.acceleratorCount,
      c.engine,
      c.metric,
      c.port,
      c.offline,
      c.embeddedProfiles,
      c.generalFallback,
    ],
    ["auto", "auto", "vllm", "latency", 8000, false, true, true],
  );
  assertEquals([c.cachePath, c.hfHome], ["/workspace/model-cache", "/workspace/model-cache"]);
  assertEquals([c.hfHubCache, c.hfTokenPath], ["/workspace/model-cache/hub", "/workspace/model-cache/token"]);
  assertEquals([c.profilePath, c.stallTimeout], ["/workspace/aim-runtime/profiles", 120_000]);
  assertEquals([c.logLevel, c.logLevelRoot, c.logFormat], ["INFO", "WARNING", "text"]);
});

Deno.test("the Hugging Face directories follow AIM_CACHE_PATH, and HF_HUB_CACHE overrides HF_HOME", () => {
  const paths = (env: Record<string, string>) => {
    const c = resolveConfig({ flags: {}, env, cwd: "/here" });
    return [c.cachePath, c.hfHome, c.hfHubCache, c.hfTokenPath];
  };
  assertEquals(paths({ AIM_CACHE_PATH: "/c" }), ["/c", "/c", "/c/hub", "/c/token"]);
  assertEquals(paths({ AIM_CACHE_PATH: "/c", HF_HOME: "/h" }), ["/c", "/h", "/h/hub", "/h/token"]);
  assertEquals(paths({ HF_HOME: "/h", HF_HUB_CACHE: "/k", HF_TOKEN_PATH: "/t" }), [
    "/workspace/model-cache",
    "/h",
    "/k",
    "/t",
  ]);
  assertEquals(paths({ AIM_CACHE_PATH: "c/./d/../e/" })[0], "/here/c/e");
  assertEquals(paths({ HF_HOME: "~/.hf", HOME: "/home/u" })[2], "/home/u/.hf/hub");
});

Deno.test("an empty or blank variable counts as unset", () => {
  const c = resolveConfig({ flags: {}, env: { AIM_PRECISION: "", AIM_PORT: "  ", AIM_MODEL_ID: "" } });
  assertEquals([c.precision, c.port, c.modelId], ["auto", 8000, null]);
  assertEquals(c.origins.precision, "default");
});

Deno.test("white space around a value is ignored, because a secret mounted from a file ends with a line break", () => {
  assertEquals(resolveConfig({ flags: {}, env: { HF_TOKEN: "token-value\n" } }).hfToken, "token-value");
});

Deno.test("booleans are accepted in any case and common spelling", () => {
  for (const text of ["true", "TRUE", "1", "yes", "On"]) {
    assertEquals(resolveConfig({ flags: {}, env: { HF_HUB_OFFLINE: text } }).offline, true, text);
  }
  for (const text of ["false", "False", "0", "NO", "off"]) {
    assertEquals(
      resolveConfig({ flags: {}, env: { AIM_EMBEDDED_PROFILES: text } }).embeddedProfiles,
      false,
      text,
    );
  }
});

Deno.test("sizes and rates are in bytes, with the suffixes of GNU coreutils", () => {
  const cases: [string, number][] = [
    ["1048576", 1048576],
    ["8M", 8 * 1024 ** 2],
    ["8MiB", 8 * 1024 ** 2],
    ["8mib", 8 * 1024 ** 2],
    ["8MB", 8_000_000],
    ["1.5G", 1.5 * 1024 ** 3],
    ["64KiB", 65536],
    ["70000B", 70000],
  ];
  for (const [text, bytes] of cases) {
    assertEquals(resolveConfig({ flags: { partSize: text }, env: {} }).partSize, bytes, text);
  }
  assertEquals(resolveConfig({ flags: { maxBandwidth: "50MB/s" }, env: {} }).maxBandwidth, 50_000_000);
});

Deno.test("durations are parsed to milliseconds; a bare number is seconds", () => {
  const cases: [string, number][] = [["90", 90_000], ["1.5", 1500], ["2500ms", 2500], ["2m", 120_000], [
    "1h",
    3_600_000,
  ]];
  for (const [text, ms] of cases) {
    assertEquals(resolveConfig({ flags: {}, env: { STALL_TIMEOUT: text } }).stallTimeout, ms, text);
  }
});

Deno.test("AIM_DEBUG overrides a log level from the environment but not from a flag", () => {
  const env = { AIM_DEBUG: "true", AIM_LOG_LEVEL: "ERROR" };
  assertEquals(resolveConfig({ flags: {}, env }).logLevel, "DEBUG");
  assertEquals(resolveConfig({ flags: { logLevel: "warning" }, env }).logLevel, "WARNING");
});

Deno.test("AIM_ACCELERATOR_* override their deprecated names", () => {
  const of = (env: Record<string, string>) => {
    const { acceleratorModel, acceleratorCount } = resolveConfig({ flags: {}, env });
    return [acceleratorModel, acceleratorCount];
  };
  assertEquals(of({ AIM_GPU_MODEL: "mi325x", AIM_GPU_COUNT: "4" }), ["MI325X", 4]);
  assertEquals(of({ AIM_ACCELERATOR_MODEL: "MI300X", AIM_GPU_MODEL: "MI325X" }), ["MI300X", "auto"]);
  assertEquals(of({ AIM_ACCELERATOR_MODEL: "", AIM_GPU_MODEL: "MI325X" }), ["MI325X", "auto"]);
  assertEquals(of({ AIM_ACCELERATOR_COUNT: "2", AIM_GPU_COUNT: "4" }), [null, 2]);
  // The new name takes precedence even if it is empty.
  assertEquals(of({ AIM_ACCELERATOR_COUNT: "", AIM_GPU_COUNT: "4" }), [null, "auto"]);
});

Deno.test("an accelerator is accepted in common spellings; an unknown one is refused with the known names", () => {
  for (const text of ["MI300X", "mi300x", '"MI300X"', "AMD Instinct MI300X"]) {
    assertEquals(resolveConfig({ flags: {}, env: { AIM_GPU_MODEL: text } }).acceleratorModel, "MI300X");
  }
  const error = assertThrows(() => resolveConfig({ flags: {}, env: { AIM_GPU_MODEL: "MI300" } }), AimError);
  assertEquals(error.exitCode, 2);
  for (const word of ["AIM_GPU_MODEL", "MI300X", "EPYC_9965", "R9700"]) {
    assert(error.line.includes(word), word);
  }
});

Deno.test("an invalid value is an error that names the flag or variable, the value and the allowed values", () => {
  const cases: [Partial<Record<SettingName, string>>, Record<string, string>, string][] = [
    [{}, { AIM_PRECISION: "fp15" }, PRECISION_LINE("AIM_PRECISION", "fp15")],
    [{ precision: "fp15" }, { AIM_PRECISION: "fp8" }, PRECISION_LINE("--precision", "fp15")],
    [{}, { AIM_METRIC: "speed" }, 'AIM_METRIC is "speed"; use one of latency, throughput'],
    [{}, { AIM_PORT: "0" }, 'AIM_PORT is "0"; use a whole number from 1 to 65535'],
    [{}, { AIM_PORT: "80a" }, 'AIM_PORT is "80a"; use a whole number from 1 to 65535'],
    [{ port: "65536" }, {}, '--port is "65536"; use a whole number from 1 to 65535'],
    [
      {},
      {
        AIM_PORT: "tcp://10.0.0.7:8000",
      },
      'AIM_PORT is "tcp://10.0.0.7:8000"; Kubernetes sets it for a service called "aim": set AIM_PORT, or enableServiceLinks: false in the pod',
    ],
    [{}, { AIM_GPU_COUNT: "-1" }, 'AIM_GPU_COUNT is "-1"; use auto or a whole number from 0 to 1024'],
    [{}, { HF_HUB_OFFLINE: "maybe" }, 'HF_HUB_OFFLINE is "maybe"; use true or false'],
    [{}, { HF_ENDPOINT: "hub.local" }, 'HF_ENDPOINT is "hub.local"; use an http:// or https:// address'],
    [{}, {
      AIM_ENGINE_ARGS: "[1]",
    }, 'AIM_ENGINE_ARGS is "[1]"; use a JSON object, such as {"max-model-len": 4096} (this is a list)'],
    [
      { partSize: "1K" },
      {},
      '--part-size is "1K"; use bytes, such as 8MiB, from 64KiB to 1TiB',
    ],
    [
      { maxBandwidth: "50Mbit" },
      {},
      '--max-bandwidth is "50Mbit"; use bytes per second, such as 50MiB, from 1KiB to 1PiB',
    ],
    [{}, { STALL_TIMEOUT: "0" }, 'STALL_TIMEOUT is "0"; use seconds, such as 90 or 2m, from 1 to 86400'],
    [{ modelId: " " }, {}, "--model is empty; give a value or leave it out"],
  ];
  for (const [flags, env, line] of cases) {
    const error = assertThrows(() => resolveConfig({ flags, env }), AimError);
    assertEquals([error.line, error.exitCode], [line, 2]);
  }
});

function PRECISION_LINE(name: string, value: string): string {
  return `${name} is "${value}"; use one of auto, fp4, fp8, fp16, fp32, bf16, int4, int8 (did you mean fp16?)`;
}

Deno.test("a long invalid value is shortened in the error", () => {
  const error = assertThrows(
    () => resolveConfig({ flags: {}, env: { AIM_ENGINE_ARGS: `[${"1,".repeat(5000)}1]` } }),
    AimError,
  );
  assert(error.line.length < 300, error.line);
});

Deno.test("a secret setting is redacted in all output", () => {
  resolveConfig({ flags: {}, env: { HF_TOKEN: "planted-token-3f9a" } });
  assertEquals(redact("it is planted-token-3f9a"), "it is ***");
});

Deno.test("engine arguments keep their spelling, and an error about invalid JSON hides keys", () => {
  const engineArgs = '{"rope-scaling": {"factor": 2.0}, "max-num-batched-tokens": 4}';
  assertEquals(pythonJson(resolveConfig({ flags: { engineArgs }, env: {} }).engineArgs ?? null), engineArgs);
  const wrong = '{"api-key": "planted-x7y8", oops}';
  const error = assertThrows(() => resolveConfig({ flags: { engineArgs: wrong }, env: {} }), AimError);
  assert(
    error.line.startsWith('--engine-args is "{\\"api-key\\": ***, oops}"; use a JSON object'),
    error.line,
  );
});

Deno.test("exactly one of AIM_ID and AIM_MODEL_ID names the model", () => {
  const wanted = (env: Record<string, string>, flags = {}) => wantedModel(resolveConfig({ flags, env }));
  assertEquals(wanted({ AIM_ID: "a/b" }), { kind: "hub", id: "a/b", revision: null });
  assertEquals(wanted({ AIM_MODEL_ID: "s3://b/p" }), { kind: "s3", bucket: "b", prefix: "p" });
  const neither = assertThrows(() => wanted({}), AimError);
  assertEquals([neither.exitCode, neither.line], [
    2,
    "no model is named; name one, as in aim serve org/model, or with --model or AIM_MODEL_ID; aim help lists the commands",
  ]);
  const both = assertThrows(() => wanted({ AIM_ID: "a/b" }, { modelId: "c/d" }), AimError);
  assertEquals(
    both.line,
    'AIM_ID is "a/b" and --model is "c/d"; set only one: an image made for a model sets AIM_ID, with other images use AIM_MODEL_ID',
  );
});

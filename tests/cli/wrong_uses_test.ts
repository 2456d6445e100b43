import { assertEquals } from "@std/assert";
import { furnish, runWrongUse, type WrongUse } from "./run_wrong_uses.ts";
import { startWorld } from "./world.ts";

// deno-fmt-ignore
const WRONG_USES: readonly WrongUse[] = [
  [["dry-rn"], {}, 2, 'unknown command "dry-rn"; did you mean aim dry-run?'],
  [["download"], {}, 2, 'unknown command "download"; did you mean aim download-to-cache?'],
  [["gpu"], {}, 2, 'unknown command "gpu"; did you mean aim gpus?'],
  [["frobnicate"], {}, 2, 'unknown command "frobnicate"; see aim help'],
  [["profiles"], {}, 2, "aim profiles needs one more word; use aim profiles validate"],
  [["profiles", "check"], {}, 2, 'unknown command "profiles check"; use aim profiles validate'],
  [["list", "profiles"], {}, 2, 'unknown command "list"; did you mean aim list-profiles?'],
  [["serve", "extra"], {}, 2, 'unexpected argument "extra"; see aim help serve'],
  [["gpus", "0"], {}, 2, 'unexpected argument "0"; see aim help gpus'],
  [["help", "dry-rn"], {}, 2, 'no help on "dry-rn"; did you mean aim help dry-run?'],
  [["completions"], {}, 2, "aim completions needs SHELL; see aim help completions"],
  [["completions", "powershell"], {}, 2, 'SHELL is "powershell"; use one of bash, zsh, fish'],
  [["completions", "bsh"], {}, 2, 'SHELL is "bsh"; use one of bash, zsh, fish (did you mean bash?)'],
  [["dry-run", "--precison", "fp8"], {}, 2, "unknown flag --precison; did you mean --precision?"],
  [["dry-run", "--frob"], {}, 2, "unknown flag --frob; see aim help dry-run"],
  [["gpus", "-x"], {}, 2, "unknown flag -x; see aim help gpus"],
  [["gpus", "--jobs", "4"], {}, 2, "aim gpus takes no --jobs; see aim help gpus"],
  [["dry-run", "--format", "jsn"], {}, 2, '--format is "jsn"; use one of yaml, json (did you mean json?)'],
  [["gpus", "--format"], {}, 2, "--format needs a value; write --format VALUE"],
  [["dry-run", "--model", "--gpu-model", "MI300X"], {}, 2, "--model needs a value; write --model=VALUE where the value begins with a dash"],
  [["dry-run", "--port", "1", "--port", "2"], {}, 2, "--port is given twice; give it once"],
  [["download-to-cache", "--model-name", "a/b", "--custom-model-name", "c/d"], {}, 2, "--model-name is given twice; give it once"],
  [["download-to-cache", "--force=perhaps"], {}, 2, '--force is "perhaps"; use --force or --force=false'],
  [["download-to-cache", "--no-force=true"], {}, 2, '--no-force is "true"; use --no-force without a value'],
  [["download-to-cache", "--progress", "dots"], {}, 2, '--progress is "dots"; use one of auto, bar, log, json, none'],
  [["list-profiles", "--state", "compatibel"], {}, 2, '--state is "compatibel"; use one of engine_mismatch, metric_mismatch, model_mismatch, gpu_mismatch, precision_mismatch, compatible (did you mean compatible?)'],
  [["dry-run", "--model="], {}, 2, "--model is empty; give a value or leave it out"],
  [["dry-run", "--precision", "fp15"], {}, 2, '--precision is "fp15"; use one of auto, fp4, fp8, fp16, fp32, bf16, int4, int8 (did you mean fp16?)'],
  [["dry-run"], {"AIM_PRECISION":"FP8"}, 2, 'AIM_PRECISION is "FP8"; use one of auto, fp4, fp8, fp16, fp32, bf16, int4, int8 (did you mean fp8?)'],
  [["dry-run"], {"AIM_METRIC":"speed"}, 2, 'AIM_METRIC is "speed"; use one of latency, throughput'],
  [["dry-run"], {"AIM_ENGINE":"sglang"}, 2, 'AIM_ENGINE is "sglang"; use vllm'],
  [["dry-run"], {"AIM_PORT":"99999"}, 2, 'AIM_PORT is "99999"; use a whole number from 1 to 65535'],
  [["dry-run"], {"AIM_PORT":"tcp://10.0.0.7:8000"}, 2, 'AIM_PORT is "tcp://10.0.0.7:8000"; this is Kubernetes naming a service called "aim": set AIM_PORT, or enableServiceLinks: false in the pod'],
  [["dry-run", "--gpu-count", "9"], {}, 2, '--gpu-count is "9"; use auto or a whole number from 0 to 8'],
  [["dry-run", "--gpu-count", "-1"], {}, 2, '--gpu-count is "-1"; use auto or a whole number from 0 to 8'],
  [["dry-run"], {"AIM_ENGINE_ARGS":"{max-model-len: 4}"}, 2, "AIM_ENGINE_ARGS is \"{max-model-len: 4}\"; use a JSON object, as {\"max-model-len\": 4096} (Expected property name or '}' in JSON at position 1 (line 1 column 2))"],
  [["dry-run"], {"AIM_ENGINE_ARGS":"[]"}, 2, 'AIM_ENGINE_ARGS is "[]"; use a JSON object, as {"max-model-len": 4096} (this is a list)'],
  [["dry-run"], {"AIM_EMBEDDED_PROFILES":"si"}, 2, 'AIM_EMBEDDED_PROFILES is "si"; use true or false'],
  [["dry-run"], {"AIM_LOG_LEVEL":"verbose"}, 2, 'AIM_LOG_LEVEL is "verbose"; use one of DEBUG, INFO, WARNING, ERROR, CRITICAL'],
  [["dry-run"], {"AIM_LOG_FORMAT":"xml"}, 2, 'AIM_LOG_FORMAT is "xml"; use one of text, json'],
  [["download-to-cache", "--part-size", "1K"], {}, 2, '--part-size is "1K"; use bytes, as 8MiB, from 64KiB to 1TiB'],
  [["download-to-cache", "--max-bandwidth", "100Mbit"], {}, 2, '--max-bandwidth is "100Mbit"; use bytes a second, as 50MiB, from 1KiB to 1PiB'],
  [["download-to-cache", "--jobs", "0"], {}, 2, '--jobs is "0"; use a whole number from 1 to 256'],
  [["download-to-cache"], {"STALL_TIMEOUT":"never"}, 2, 'STALL_TIMEOUT is "never"; use seconds, as 90 or 2m, from 1 to 86400'],
  [["download-to-cache", "--model-id", "hf://org/model"], {"HF_ENDPOINT":"hub.local"}, 2, 'HF_ENDPOINT is "hub.local"; use an http:// or https:// address'],
  [["download-to-cache", "--model-id", "hf://org/model"], {"AIM_DOWNLOADER_PROTOCOL":"FTP"}, 2, 'AIM_DOWNLOADER_PROTOCOL is "FTP"; use a list of XET, HF_TRANSFER, HTTP'],
  [["dry-run"], {}, 2, "no model is named; set AIM_MODEL_ID or give --model org/model"],
  [["dry-run", "--model", "a/b"], {"AIM_ID":"c/d"}, 2, 'AIM_ID is "c/d" and --model is "a/b"; set one of them: an image made for a model has AIM_ID already, others take AIM_MODEL_ID'],
  [["dry-run"], {"AIM_ID":"s3://bucket/x"}, 2, 'AIM_ID is "s3://bucket/x"; use org/model; another source or revision goes in AIM_MODEL_ID instead of AIM_ID'],
  [["dry-run", "--model", "a/b/c"], {"AIM_GPU_MODEL":"MI300X"}, 2, '"a/b/c" is not a model: a hub model has the form org/model; use org/model, hf://org/model[@REVISION], s3://bucket/prefix, or an absolute path'],
  [["size", "gs://bucket/model"], {}, 2, '"gs://bucket/model" is not a model: gs:// is not a source of models; use org/model, hf://org/model[@REVISION], s3://bucket/prefix, or an absolute path'],
  [["size", "s3://"], {}, 2, '"s3://" is not a model: it names no bucket; use org/model, hf://org/model[@REVISION], s3://bucket/prefix, or an absolute path'],
  [["size", "hf://org/../model"], {}, 2, '"hf://org/../model" is not a model: a hub model has the form org/model; use org/model, hf://org/model[@REVISION], s3://bucket/prefix, or an absolute path'],
  [["size", "/models/here"], {}, 2, "/models/here is a path on this machine, there is nothing to download; name a model as org/model, hf://org/model or s3://bucket/prefix"],
  [["size", ""], {}, 2, "an argument is empty; see aim help size"],
  [["size"], {}, 2, "aim size needs URI; see aim help size"],
  [["fetch"], {}, 2, "aim fetch needs URI; see aim help fetch"],
  [["download-to-cache", "--model-id", "s3://models/org/llama-7b", "--model-name", "../x"], {}, 2, '--model-name "../x" is not a name in the cache: ".." leads out of its directory; use org/model'],
  [["dry-run", "--model", "/none/there"], {"AIM_GPU_MODEL":"MI300X"}, 5, "AIM_MODEL_ID is /none/there, and there is no such file or directory; check the path and that its volume is mounted"],
  [["dry-run", "--format", "json", "--model", "org/model"], {}, 3, "no GPU can be seen: $DIR/none/class/kfd is not there: the amdgpu driver is not loaded on this host; give the container /dev/kfd and /dev/dri, or name the GPU with AIM_GPU_MODEL (see aim gpus)"],
  [["dry-run", "--model", "org/model"], {"AIM_GPU_MODEL":"MI9000","AIM_EMBEDDED_PROFILES":"false","AIM_PROFILE_PATH":"$DIR/profiles"}, 3, "no profile fits org/model on 1 x MI9000, vllm, latency, any precision (1 gpu_mismatch); nearest is general/vllm-mi300x-fp16-tp1-latency: it is for MI300X, there is MI9000; it takes other hardware"],
  [["dry-run", "--model", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "vllm-mi300x-fp8-tp1-latenci"], {"AIM_GPU_MODEL":"MI300X"}, 3, 'AIM_PROFILE_ID is "vllm-mi300x-fp8-tp1-latenci", and there is no such profile; did you mean vllm-mi300x-fp8-tp1-latency?'],
  [["dry-run", "--model", "org/model", "--precision", "int4"], {"AIM_GPU_MODEL":"MI300X","AIM_EMBEDDED_PROFILES":"false","AIM_PROFILE_PATH":"$DIR/profiles"}, 3, "no profile fits org/model on 1 x MI300X, vllm, latency, precision int4 (1 precision_mismatch); nearest is general/vllm-mi300x-fp16-tp1-latency: it has precision fp16, wanted is int4; set AIM_PRECISION=fp16"],
  [["dry-run", "--model", "org/model", "--engine-args", '{"max-model-len":"many"}'], {"AIM_GPU_MODEL":"MI300X"}, 2, 'engine argument max-model-len is "many", and must be a whole number or null; correct AIM_ENGINE_ARGS'],
  [["profiles", "validate"], {}, 2, "aim profiles validate needs PATH; see aim help profiles validate"],
  [["profiles", "validate", "none.yaml"], {}, 2, "none.yaml is not there; give files or folders of profiles"],
  [["size", "hf://org/absent"], {}, 5, "$HUB has no model org/absent; check the name; if the model is private, set HF_TOKEN"],
  [["size", "hf://org/gated"], {"HF_TOKEN":"hf_wrong0000000"}, 4, '$HUB rejects the token ("Invalid credentials in Authorization header"); set HF_TOKEN to a valid token (see http://$HUB/settings/tokens)'],
  [["fetch", "hf://org/gated", "x"], {}, 4, "hf://org/gated is gated and no token is set; ask for access at http://$HUB/org/gated, then set HF_TOKEN"],
  [["size", "hf://org/model@nosuch"], {}, 5, 'hf://org/model has no revision "nosuch"; look for branches and tags at http://$HUB/org/model/tree/main'],
  [["size", "s3://absent/x"], {}, 5, '$S3 has no bucket "absent"; check the name, and AWS_ENDPOINT_URL if it is not on AWS'],
  [["size", "s3://models/absent"], {}, 5, "there is nothing under s3://models/absent/; check the name"],
  [["size", "s3://denied/x"], {}, 4, "$S3 denies access to s3://denied/x; let the credentials list the bucket (s3:ListBucket)"],
  [["size", "s3://models/org/llama-7b"], {"AWS_SECRET_ACCESS_KEY":"wrong-secret"}, 4, '$S3 rejects the signature (bucket "models"); check AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION'],
  [["size", "hf://org/model"], {"HF_ENDPOINT":"http://hub.invalid"}, 6, "hub.invalid cannot be resolved by DNS; check the address, the network and the proxy settings, then run again"],
  [["size", "hf://org/model"], {"SSL_CERT_FILE":"/none.pem"}, 2, 'SSL_CERT_FILE is "/none.pem", which cannot be read; name a readable PEM file of certificate authorities, or unset it'],
  [["size", "hf://org/model", "--offline"], {}, 5, "hf://org/model cannot be reached: HF_HUB_OFFLINE (--offline) is on; unset it, or bring the model into the cache first with aim download-to-cache"],
  [["size", "hf://org/model"], {"HF_TOKEN_PATH":"/none/token"}, 2, "HF_TOKEN_PATH is /none/token: there is no such file; name a readable file that holds the hub token, or unset it"],
  [["fetch", "hf://org/model", "x", "--include", "*.nothing"], {}, 5, "hf://org/model has no files that match; check --include and --exclude"],
  [["size", "hf://org/model"], {"HF_ENDPOINT":"http://127.0.0.1:65533"}, 6, "127.0.0.1:65533 refuses the connection; check the address, the network and the proxy settings, then run again"],
  [["fetch", "hf://org/model", "$DIR/file/x"], {}, 7, "making $DIR/file/x: Not a directory (os error 20): mkdir '$DIR/file/x'; a file stands where a directory should be: move it away or choose another path"],
  [["download-to-cache", "--model-id", "hf://org/model", "--cache-path", "$DIR/file"], {}, 7, "$DIR/file is not a directory; move it away, or choose another AIM_CACHE_PATH"],
  [["fetch", "hf://org/model", "/proc/aim-test"], {}, 7, "reading /proc/aim-test/.aim/manifest.json: paths below /dev, /proc and /sys are closed to this program; choose another path, as a mounted volume or a tmpfs elsewhere"],
  [["serve", "--model", "org/model", "--gpu-model", "MI300X"], {"PATH":"/none"}, 9, "neither python nor python3 is on PATH (/none); run aim in an image that holds the engine, or set PATH"],
  [["serve", "--model", "org/model", "--gpu-model", "MI300X", "--offline"], {}, 5, "hf://org/model is not in the cache, and HF_HUB_OFFLINE is on ($DIR/cache/org/model: there is no such directory; $DIR/cache/hub/models--org--model: there is no such directory); bring it there with aim download-to-cache on a connected host, or unset HF_HUB_OFFLINE"],
  [["resolve"], {}, 2, "no model is named; set AIM_MODEL_ID or give --model org/model"],
  [["resolve", "a/b/c"], {}, 2, '"a/b/c" is not a model: a hub model has the form org/model; use org/model, hf://org/model[@REVISION], s3://bucket/prefix, or an absolute path'],
  [["doctor", "--format", "yaml"], {}, 2, '--format is "yaml"; use one of text, json'],
  [["size", "hf://org/model"], {"HTTP_PROXY":"http://127.0.0.1:65533","NO_PROXY":""}, 6, "$HUB through the proxy in HTTP_PROXY refuses the connection; check the address, the network and the proxy settings, then run again"],
  [["dry-run", "--engine-arg", "{}"], {}, 2, "unknown flag --engine-arg; did you mean --engine-args?"],
  [["gpus", "--log-level", "loud"], {}, 2, '--log-level is "loud"; use one of DEBUG, INFO, WARNING, ERROR, CRITICAL'],
  [["cache"], {}, 2, "aim cache needs one more word; use aim cache list, aim cache verify, aim cache remove, aim cache prune"],
  [["cache", "verfy"], {}, 2, 'unknown command "cache verfy"; did you mean aim cache verify?'],
  [["cache", "frob"], {}, 2, 'unknown command "cache frob"; use aim cache list, aim cache verify, aim cache remove, aim cache prune'],
  [["cache", "remove"], {}, 2, "aim cache remove needs MODEL; see aim help cache remove"],
  [["cache", "remove", "org/absent", "--yes"], {}, 5, "org/absent is not in the cache ($DIR/cache, $DIR/cache/hub); see aim cache list"],
  [["cache", "verify", "org/absent"], {}, 5, "org/absent is not in the cache ($DIR/cache, $DIR/cache/hub); see aim cache list"],
  [["cache", "remove", "../x", "--yes"], {}, 2, '"../x" is not a model: ".." leads out of its directory; use org/model, hf://org/model[@REVISION], s3://bucket/prefix, or an absolute path'],
  [["cache", "list", "--state", "whole"], {}, 2, "unknown flag --state; see aim help cache list"],
  [["cache", "list", "--format", "xml"], {}, 2, '--format is "xml"; use one of table, json'],
  [["cache", "list", "org/model"], {}, 5, "org/model is not in the cache ($DIR/cache, $DIR/cache/hub); see aim cache list"],
  [["cache", "prune", "--yse"], {}, 2, "unknown flag --yse; did you mean --yes?"],
  [["cache", "remove", "org/model", "org/model2", "--layout", "s3"], {}, 2, '--layout is "s3"; use one of local, hub'],
];

Deno.test("every wrong use ends with its own line and exit code, and prints no result", async () => {
  await using world = await startWorld();
  await furnish(world);
  const failures: string[] = [];
  const queue = [...WRONG_USES];
  // A few at a time: each is a process.
  await Promise.all(Array.from({ length: 3 }, async () => {
    for (let use = queue.shift(); use !== undefined; use = queue.shift()) {
      const [words, env, code, line] = use;
      const ran = await runWrongUse(world, words, env);
      if (ran.code === code && ran.line === line && ran.stdout === "") continue;
      failures.push(
        `aim ${words.join(" ")} ${JSON.stringify(env)}\n  ${ran.code} ${ran.line}\n  not\n  ${code} ${line}`,
      );
      if (ran.stdout !== "") failures.push(`  on standard output: ${ran.stdout}`);
    }
  }));
  assertEquals(failures.join("\n"), "");
});

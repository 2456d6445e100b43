import { fileType } from "../../os/file_type.ts";
import type { Config } from "../../config/config.ts";
import { AimError } from "../../errors/aim_error.ts";
import { type Manifest, totalBytes } from "../../sources/manifest.ts";
import type { ModelRef } from "../../sources/model_ref.ts";
import { openSource } from "../../sources/open_source.ts";
import { type S3Settings, s3Settings } from "../../sources/s3/s3_settings.ts";
import { withStorageConfig } from "../../sources/s3/storage_config.ts";
import type { Source } from "../../sources/source.ts";
import { openTransport } from "../../sources/transport/transport.ts";
import { sourceOptions } from "../../sources/source_options.ts";
import { count, formatBytes, formatDuration } from "../format.ts";
import { attempt, type Check, check, checkOf, type CheckState } from "./check.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface CheckSourcesOptions {
  readonly config: Config;
  readonly env: Environment;
  /** The model that would be served; `null` if none is named or no profile fits. */
  readonly ref: ModelRef | null;
  /** Serving has to download it, so a source that does not answer would stop it. */
  readonly needed: boolean;
  readonly signal: AbortSignal;
}

export interface SourceChecks {
  readonly checks: readonly Check[];
  /** The model's files, if its source listed them. */
  readonly manifest: Manifest | null;
}

/** Milliseconds that a source has to answer. */
const PATIENCE = 20_000;
/** Milliseconds that the clocks may differ. */
const CLOCK_TOLERANCE = 120_000;

/** Whether the hub and S3 answer, how fast, and where their credentials come from. No credential is shown. */
export async function checkSources(options: CheckSourcesOptions): Promise<SourceChecks> {
  const { config, env, ref, needed } = options;
  if (config.offline) {
    const setting = config.origins.offline === "flag" ? "--offline" : "HF_HUB_OFFLINE";
    return { checks: [check("network", "ok", `not asked: ${setting} is on`)], manifest: null };
  }
  const bad: CheckState = needed ? "failed" : "warning";
  const wantsS3 = ref?.kind === "s3" || S3_SIGNS.some((name) => env[name]);
  const settings = wantsS3 ? s3SettingsOf(env) : null;
  const s3Endpoint = settings === null || settings instanceof AimError ? null : settings.endpoint;
  const [hub, s3] = await Promise.all([
    ref?.kind === "hub"
      ? askForModel("hub", config.hfEndpoint, options, ref, bad)
      : askAddress("hub", config.hfEndpoint, env),
    ref?.kind === "s3"
      ? askForModel("S3", s3Endpoint ?? "AWS", options, ref, bad)
      : s3Endpoint === null
      ? null
      : askAddress("S3", s3Endpoint, env),
  ]);
  const checks = [
    hub.check,
    ...(ref?.kind === "s3" ? [] : await checkClock(config.hfEndpoint, env)),
    await checkToken(config, env, bad),
    ...(s3 === null ? [] : [s3.check]),
    ...(settings === null ? [] : [checkS3Credentials(settings, env)]),
  ];
  return { checks, manifest: hub.manifest ?? s3?.manifest ?? null };
}

interface Asked {
  readonly check: Check;
  readonly manifest: Manifest | null;
}

/** With a wrong clock, signatures and certificates fail. No check if the hub does not send its time. */
async function checkClock(address: string, env: Environment): Promise<Check[]> {
  const response = await attempt(() => headOf(address, env));
  const date = "value" in response ? response.value.headers.get("date") : null;
  const off = Math.abs(Date.now() - Date.parse(date ?? ""));
  if (Number.isNaN(off)) return [];
  if (off < CLOCK_TOLERANCE) return [check("clock", "ok", "agrees with the hub's")];
  const todo = "set the host's clock: S3 refuses requests that are 15 minutes off";
  return [check("clock", "warning", `${formatDuration(off)} away from the hub's`, todo)];
}

/** Lists the model, as a download would, and reads a byte of it. */
async function askForModel(
  name: string,
  address: string,
  { config, env, signal }: CheckSourcesOptions,
  ref: ModelRef,
  bad: CheckState,
): Promise<Asked> {
  const started = performance.now();
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  const outcome = await attempt(async () => {
    const source = openSource(ref, sourceOptions(config, env));
    try {
      const manifest = await source.manifest({ signal: patience });
      const listed = latency(started);
      await readOneByte(source, manifest, patience);
      return { uri: source.uri, manifest, listed };
    } finally {
      source.close();
    }
  });
  signal.throwIfAborted();
  if ("error" in outcome) {
    const failure = patience.aborted ? noAnswer(name, address, bad) : checkOf(name, outcome.error, bad);
    return { check: failure, manifest: null };
  }
  const { uri, manifest, listed } = outcome.value;
  const size = `${count(manifest.files.length + (manifest.archives ?? []).length, "file")}, ${
    formatBytes(totalBytes(manifest))
  }`;
  return { check: check(name, "ok", `${address} lists ${uri} in ${listed}: ${size}`), manifest };
}

/** Everyone may list a gated model, and only some may read it; the same is possible for a bucket. */
async function readOneByte(source: Source, { files }: Manifest, signal: AbortSignal): Promise<void> {
  const file = files.filter((f) => f.size > 0).sort((a, b) => a.size - b.size)[0];
  if (file === undefined) return;
  const { body } = await source.read(file, { start: 0, end: 1 }, signal);
  await body.cancel();
}

/** Whether anything answers at an address that serving does not need. */
async function askAddress(name: string, address: string, env: Environment): Promise<Asked> {
  const started = performance.now();
  const response = await attempt(() => headOf(address, env));
  const found = "value" in response
    ? check(name, "ok", `${address} answers in ${latency(started)}`)
    : noAnswer(name, address, "warning");
  return { check: found, manifest: null };
}

/** Uses the proxy and the certificates that a download would use. */
async function headOf(address: string, env: Environment): Promise<Response> {
  const transport = openTransport({ env, connections: 1 });
  try {
    const signal = AbortSignal.timeout(PATIENCE / 4);
    const response = await transport.fetch(address, { method: "HEAD", signal });
    await response.body?.cancel();
    return response;
  } finally {
    transport.close();
  }
}

function noAnswer(name: string, address: string, state: CheckState): Check {
  const todo = "check the address, the network and the proxy settings, or work offline from a prepared cache";
  return check(name, state, `${address} does not answer`, todo);
}

async function checkToken(config: Config, env: Environment, bad: CheckState): Promise<Check> {
  const outcome = await attempt(() => sourceOptions(config, env).hfToken());
  if ("error" in outcome) return checkOf("hub token", outcome.error, bad);
  const where = config.hfToken === null ? `the file ${config.hfTokenPath}` : "HF_TOKEN";
  const found = outcome.value === null
    ? "none: public models only (set HF_TOKEN for others)"
    : `found in ${where}`;
  return check("hub token", "ok", found);
}

/** Variables that are set only if S3 is used. */
const S3_SIGNS = [
  "AWS_ACCESS_KEY_ID",
  "AWS_ACCESS_KEY_ID_FILE",
  "AIM_S3_AUTH_MODE",
  "AWS_ENDPOINT_URL_S3",
  "AWS_ENDPOINT_URL",
  "S3_ENDPOINT",
  "AWS_PROFILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/** Where S3 credentials come from, in the order of the AWS default chain. */
function checkS3Credentials(settings: S3Settings | AimError, env: Environment): Check {
  const name = "S3 credentials";
  if (settings instanceof AimError) {
    return check(name, "warning", settings.message, settings.hint ?? "correct it");
  }
  if (settings.credentials.kind === "anonymous") {
    return check(name, "ok", "none wanted, requests are not signed");
  }
  if (settings.credentials.kind === "static") return check(name, "ok", "an access key in the environment");
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE) {
    return check(name, "ok", "a web identity, from AWS_WEB_IDENTITY_TOKEN_FILE");
  }
  const home = env.HOME ?? "";
  const shared = [
    env.AWS_SHARED_CREDENTIALS_FILE || `${home}/.aws/credentials`,
    env.AWS_CONFIG_FILE || `${home}/.aws/config`,
  ].find((path) => fileType(path) === "file");
  if (shared !== undefined) return check(name, "ok", `shared configuration in ${shared}`);
  if (env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI || env.AWS_CONTAINER_CREDENTIALS_FULL_URI) {
    return check(name, "ok", "from the container's credentials endpoint");
  }
  const found = "none in the environment or in files; an instance's role is tried last";
  const todo = "without such a role, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
  return check(name, "warning", found, todo);
}

function s3SettingsOf(env: Environment): S3Settings | AimError {
  try {
    return s3Settings(withStorageConfig(env));
  } catch (error) {
    if (error instanceof AimError) return error;
    throw error;
  }
}

function latency(started: number): string {
  const ms = performance.now() - started;
  return ms < 1000 ? `${Math.round(ms)} ms` : formatDuration(ms);
}

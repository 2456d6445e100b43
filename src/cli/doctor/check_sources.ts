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
import { attempt, type Check, checkOf, type CheckState } from "./check.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What is asked of the sources, and how much hangs on it. */
export interface CheckSourcesOptions {
  readonly config: Config;
  readonly env: Environment;
  /** The model that would be served; `null` where none is named or no profile fits. */
  readonly ref: ModelRef | null;
  /** Serving has to download it: then a source that does not answer stops it. */
  readonly needed: boolean;
  readonly signal: AbortSignal;
}

/** Milliseconds that a source is waited for. */
const PATIENCE = 20_000;

/** What the sources say. */
export interface SourceChecks {
  readonly checks: readonly Check[];
  /** Bytes of the model, as its source lists it; `null` where it was not asked or does not tell. */
  readonly modelBytes: number | null;
  readonly manifest: Manifest | null;
}

/** Whether the hub and S3 answer, how fast, and with which credentials. Credentials are named by where they were found, never shown. */
export async function checkSources(options: CheckSourcesOptions): Promise<SourceChecks> {
  const { config, env, ref, needed } = options;
  if (config.offline) {
    const check: Check = { name: "network", state: "ok", found: `not asked: ${nameOfOffline(config)} is on` };
    return { checks: [check], modelBytes: null, manifest: null };
  }
  const bad: CheckState = needed ? "failed" : "warning";
  const wantsS3 = ref?.kind === "s3" || S3_SIGNS.some((name) => env[name]);
  const [hub, s3] = await Promise.all([
    ref?.kind === "hub"
      ? askForModel("hub", config.hfEndpoint, options, ref, bad)
      : askAddress("hub", config.hfEndpoint, env),
    ref?.kind === "s3"
      ? askForModel("S3", s3Endpoint(env) ?? "AWS", options, ref, bad)
      : wantsS3 && s3Endpoint(env) !== null
      ? askAddress("S3", s3Endpoint(env) ?? "", env)
      : null,
  ]);
  const checks = [
    hub.check,
    ...(ref?.kind === "s3" ? [] : await checkClock(config.hfEndpoint, env)),
    await checkToken(config, env, bad),
    ...(s3 === null ? [] : [s3.check]),
    ...(wantsS3 ? [checkS3Credentials(env)] : []),
  ];
  const manifest = hub.manifest ?? s3?.manifest ?? null;
  return { checks, modelBytes: manifest === null ? null : totalBytes(manifest), manifest };
}

interface Asked {
  readonly check: Check;
  readonly manifest: Manifest | null;
}

/** Signatures and certificates fail where the clock is wrong. Nothing where the hub does not tell the time. */
async function checkClock(address: string, env: Environment): Promise<Check[]> {
  try {
    const response = await headOf(address, env);
    const theirs = Date.parse(response.headers.get("date") ?? "");
    const off = Math.abs(Date.now() - theirs);
    if (Number.isNaN(theirs)) return [];
    if (off < CLOCK_TOLERANCE) return [{ name: "clock", state: "ok", found: "agrees with the hub's" }];
    return [{
      name: "clock",
      state: "warning",
      found: `${formatDuration(off)} away from the hub's`,
      todo: "set the host's clock: S3 refuses requests that are 15 minutes off",
    }];
  } catch {
    return [];
  }
}

/** Milliseconds. */
const CLOCK_TOLERANCE = 120_000;

/** Lists the model, as a download would. */
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
    const source = await openSource(ref, sourceOptions(config, env));
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
    const check = patience.aborted ? noAnswer(name, address, bad) : checkOf(name, outcome.error, bad);
    return { check, manifest: null };
  }
  const { uri, manifest, listed } = outcome.value;
  const size = `${count(manifest.files.length, "file")}, ${formatBytes(totalBytes(manifest))}`;
  const found = `${address} lists ${uri} in ${listed}: ${size}`;
  return { check: { name, state: "ok", found }, manifest };
}

/** Gated models are listed for all, and read by some; so may be a bucket. */
async function readOneByte(source: Source, { files }: Manifest, signal: AbortSignal): Promise<void> {
  const file = files.filter((f) => f.size > 0).sort((a, b) => a.size - b.size)[0];
  if (file === undefined) return;
  const { body } = await source.read(file, { start: 0, end: 1 }, signal);
  await body.cancel();
}

/** Whether anything answers at all; nothing hangs on it. */
async function askAddress(name: string, address: string, env: Environment): Promise<Asked> {
  const started = performance.now();
  try {
    await headOf(address, env);
    const check: Check = { name, state: "ok", found: `${address} answers in ${latency(started)}` };
    return { check, manifest: null };
  } catch {
    return { check: noAnswer(name, address, "warning"), manifest: null };
  }
}

/** Through the proxy, and with the certificates, that a download would use. */
async function headOf(address: string, env: Environment): Promise<Response> {
  const transport = openTransport({ env, connections: 1 });
  try {
    const response = await transport.fetch(address, {
      method: "HEAD",
      signal: AbortSignal.timeout(PATIENCE / 4),
    });
    await response.body?.cancel();
    return response;
  } finally {
    transport.close();
  }
}

function noAnswer(name: string, address: string, state: CheckState): Check {
  return {
    name,
    state,
    found: `${address} does not answer`,
    todo: "check the address, the network and the proxy settings, or work offline from a prepared cache",
  };
}

async function checkToken(config: Config, env: Environment, bad: CheckState): Promise<Check> {
  const outcome = await attempt(() => sourceOptions(config, env).hfToken());
  if ("error" in outcome) return checkOf("hub token", outcome.error, bad);
  if (outcome.value === null) {
    return { name: "hub token", state: "ok", found: "none: public models only (set HF_TOKEN for others)" };
  }
  const where = config.hfToken === null ? `the file ${config.hfTokenPath}` : "HF_TOKEN";
  return { name: "hub token", state: "ok", found: `found in ${where}` };
}

/** Variables that tell of S3 being used. */
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
function checkS3Credentials(env: Environment): Check {
  const name = "S3 credentials";
  const settings = settingsOrError(env);
  if (settings instanceof AimError) {
    return { name, state: "warning", found: settings.message, todo: settings.hint ?? "correct it" };
  }
  if (settings.credentials.kind === "anonymous") {
    return { name, state: "ok", found: "none wanted, requests are not signed" };
  }
  if (settings.credentials.kind === "static") {
    return { name, state: "ok", found: "an access key in the environment" };
  }
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE) {
    return { name, state: "ok", found: "a web identity, from AWS_WEB_IDENTITY_TOKEN_FILE" };
  }
  const home = env.HOME ?? "";
  const files = [
    env.AWS_SHARED_CREDENTIALS_FILE || `${home}/.aws/credentials`,
    env.AWS_CONFIG_FILE || `${home}/.aws/config`,
  ];
  const shared = files.find(isFile);
  if (shared !== undefined) return { name, state: "ok", found: `shared configuration in ${shared}` };
  if (env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI || env.AWS_CONTAINER_CREDENTIALS_FULL_URI) {
    return { name, state: "ok", found: "from the container's credentials endpoint" };
  }
  return {
    name,
    state: "warning",
    found: "none in the environment or in files; an instance's role is tried last",
    todo: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY if there is no such role",
  };
}

function settingsOrError(env: Environment): S3Settings | AimError {
  try {
    return s3Settings(withStorageConfig(env));
  } catch (error) {
    if (error instanceof AimError) return error;
    throw error;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function s3Endpoint(env: Environment): string | null {
  const settings = settingsOrError(env);
  return settings instanceof AimError ? null : settings.endpoint;
}

function nameOfOffline(config: Config): string {
  return config.origins.offline === "flag" ? "--offline" : "HF_HUB_OFFLINE";
}

function latency(started: number): string {
  const ms = performance.now() - started;
  return ms < 1000 ? `${Math.round(ms)} ms` : formatDuration(ms);
}

import type { Config } from "../../config/config.ts";
import { errorFrom } from "../../errors/from_unknown.ts";
import { PROXY_VARIABLES } from "../../log/redact.ts";
import { fileType } from "../../os/file_type.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";
import { type Manifest, totalBytes } from "../../sources/manifest.ts";
import type { ModelRef } from "../../sources/model_ref.ts";
import { openSource } from "../../sources/open_source.ts";
import { type S3Settings, s3Settings } from "../../sources/s3/s3_settings.ts";
import type { Source } from "../../sources/source.ts";
import { sourceOptions } from "../../sources/source_options.ts";
import { namedAuthorities } from "../../sources/transport/ca_certificates.ts";
import { Transport } from "../../sources/transport/transport.ts";
import type { CommandContext } from "../command.ts";
import { count, formatBytes, formatDuration } from "../format.ts";
import { attempt, type Check, check, checkOf, type CheckState, type Outcome } from "./check.ts";

type Environment = CommandContext["env"];

/** Milliseconds that listing a model may take. */
const PATIENCE = 20_000;
/** Milliseconds by which the clocks may differ. */
const CLOCK_TOLERANCE = 120_000;

/**
 * Whether the hub and S3 respond, how fast, and where their credentials come from. No credential is shown.
 *
 * @param ref The model that would be served; `null` if none is named or no profile fits.
 * @param needed Serving has to download it, so an unreachable source would stop it.
 * @returns `manifest`: the model's files, if its source listed them.
 */
export async function checkSources(
  { config, env, signal }: Pick<CommandContext, "config" | "env" | "signal">,
  ref: ModelRef | null,
  needed: boolean,
): Promise<{ checks: readonly Check[]; manifest: Manifest | null }> {
  const whenBad = needed ? "failed" : "warning";
  if (config.offline) {
    const setting = config.origins.offline === "flag" ? "--offline" : "HF_HUB_OFFLINE";
    return { checks: [check("network", "ok", `not checked: ${setting} is on`)], manifest: null };
  }
  const isS3 = ref?.kind === "s3";
  const settings = isS3 || Object.keys(env).some((name) => env[name] && S3_SIGN.test(name))
    ? await attempt(() => s3Settings(env))
    : null;
  const endpoint = settings?.value?.endpoint ?? null;
  let manifest: Manifest | null = null;
  let date: string | null = null;

  async function listModel(ref: ModelRef): Promise<Check> {
    const [name, address] = isS3 ? ["S3", endpoint ?? "AWS"] : ["hub", config.hfEndpoint];
    return await ask(name, address, whenBad, signal, PATIENCE, async (signal) => {
      using source = openSource(ref, sourceOptions(config, env));
      manifest = await source.manifest({ signal });
      await readOneByte(source, manifest, signal);
      const files = count(manifest.files.length + (manifest.archives ?? []).length, "file");
      return `lists ${source.uri} (${files}, ${formatBytes(totalBytes(manifest))})`;
    });
  }

  /** Whether a server responds, with the proxy and the certificates that a download would use. */
  async function askServer(name: string, address: string): Promise<Check> {
    const transport = new Transport({ env, connections: 1 });
    try {
      return await ask(name, address, "warning", signal, PATIENCE / 4, async (signal) => {
        const { headers, body } = await transport.fetch(address, { method: "HEAD", signal });
        await body?.cancel();
        if (name === "hub") date = headers.get("date");
        return "responds";
      });
    } finally {
      transport.close();
    }
  }

  const [model, hub, s3] = await Promise.all([
    ref?.kind === "hub" || isS3 ? listModel(ref) : null,
    askServer("hub", config.hfEndpoint),
    endpoint === null ? null : askServer("S3", endpoint),
  ]);
  // Listing the model proves more than a response.
  const checks = [
    ref?.kind === "hub" ? model : hub,
    checkClock(date),
    await checkToken(config, env, whenBad),
    isS3 ? model : s3,
    settings === null ? null : checkS3Credentials(settings, env),
  ];
  return { checks: checks.filter((one) => one !== null), manifest };
}

/** Runs a request. The check has its result and time, or why it failed. */
async function ask(
  name: string,
  address: string,
  whenBad: CheckState,
  signal: AbortSignal,
  milliseconds: number,
  request: (signal: AbortSignal) => Promise<string>,
): Promise<Check> {
  const started = performance.now();
  const patience = AbortSignal.any([signal, AbortSignal.timeout(milliseconds)]);
  try {
    const does = await request(patience);
    const ms = performance.now() - started;
    const time = ms < 1000 ? `${Math.round(ms)} ms` : formatDuration(ms);
    return check(name, "ok", `${address} ${does} in ${time}`);
  } catch (error) {
    signal.throwIfAborted();
    const { message, hint = CHECK_NETWORK } = errorFrom(error, address);
    const found = patience.aborted ? `${address} does not respond` : message;
    return check(name, whenBad, found, hint);
  }
}

const CHECK_NETWORK =
  "check the address, the network and the proxy settings, or work offline from a prepared cache";

/** A gated model can be listed without access to its files; in a bucket, the same is possible. */
async function readOneByte(source: Source, { files }: Manifest, signal: AbortSignal): Promise<void> {
  const file = files.filter((f) => f.size > 0).sort((a, b) => a.size - b.size)[0];
  if (file === undefined) return;
  const { body } = await source.read(file, { start: 0, end: 1 }, signal);
  await body.cancel();
}

/** With a wrong clock, signatures and certificates fail. `null` if the hub does not send its time. */
function checkClock(date: string | null): Check | null {
  const off = Math.abs(Date.now() - Date.parse(date ?? ""));
  if (Number.isNaN(off)) return null;
  if (off < CLOCK_TOLERANCE) return check("clock", "ok", "agrees with the hub");
  const todo = "set the host's clock: S3 rejects requests that are 15 minutes off";
  return check("clock", "warning", `differs from the hub by ${formatDuration(off)}`, todo);
}

async function checkToken(config: Config, env: Environment, whenBad: CheckState): Promise<Check> {
  const outcome = await attempt(() => sourceOptions(config, env).hfToken());
  if (outcome.error !== null) return checkOf("hub token", outcome.error, whenBad);
  const where = config.hfToken === null ? `the file ${config.hfTokenPath}` : "HF_TOKEN";
  const none = "none: public models only (set HF_TOKEN for others)";
  return check("hub token", "ok", outcome.value === null ? none : `found in ${where}`);
}

/** Variables that are set only if S3 is used. */
const S3_SIGN =
  /^(?:AWS_(?:ACCESS_KEY_ID|ENDPOINT_URL|PROFILE|WEB_IDENTITY_TOKEN_FILE)|AIM_S3_AUTH_MODE|S3_ENDPOINT)/;

function checkS3Credentials({ value, error }: Outcome<S3Settings>, env: Environment): Check {
  const name = "S3 credentials";
  if (error !== null) return checkOf(name, error, "warning");
  const { kind } = value.credentials;
  if (kind === "anonymous") return check(name, "ok", "none: requests are anonymous, as configured");
  if (kind === "static") return check(name, "ok", "an access key in the environment");
  const found = fromDefaultChain(env);
  if (found !== null) return check(name, "ok", found);
  const none = "none in the environment or in files; the instance's role is tried last";
  const todo = "without such a role, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
  return check(name, "warning", none, todo);
}

/** Where the AWS default chain finds credentials, in its order; `null` if only an instance's role is left. */
function fromDefaultChain(env: Environment): string | null {
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE) return "a web identity, from AWS_WEB_IDENTITY_TOKEN_FILE";
  const home = env.HOME ?? "";
  const shared = [
    env.AWS_SHARED_CREDENTIALS_FILE || `${home}/.aws/credentials`,
    env.AWS_CONFIG_FILE || `${home}/.aws/config`,
  ].find((path) => fileType(path) === "file");
  if (shared !== undefined) return `shared configuration in ${shared}`;
  const container = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI || env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  return container ? "from the container's credentials endpoint" : null;
}

/** The proxies and certificate authorities in the environment. Passwords are never shown. */
export function checkNetworkSettings(env: Environment): Check[] {
  const proxies = PROXY_VARIABLES.flatMap((name) => env[name] ? [checkProxy(name, env[name])] : []);
  const except = env.NO_PROXY || env.no_proxy;
  return [
    ...(proxies.length === 0 ? [check("proxy", "ok", "none is set")] : proxies),
    ...(proxies.length > 0 && except ? [check("proxy", "ok", `not used for ${except}`)] : []),
    ...[...namedAuthorities(env)].map(([path, names]) => checkAuthorities(names.join(", "), path)),
  ];
}

function checkProxy(name: string, address: string): Check {
  return /^(https?|socks5h?):\/\//.test(address) && URL.canParse(address)
    ? check("proxy", "ok", `${name} is ${address}`)
    : check("proxy", "warning", `${name} is ${JSON.stringify(address)}`, "write it as http://HOST:PORT");
}

function checkAuthorities(names: string, path: string): Check {
  const read = readRegularTextSync(path);
  const named = `${path}, named by ${names}`;
  const found = read.kind === "ok" ? read.value.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0 : 0;
  if (found > 0) return check("certificates", "ok", `${named}: ${count(found, "certificate")}`);
  const why = read.kind === "ok" ? "contains no certificate" : "cannot be read";
  const todo = "name a readable PEM file of certificate authorities, or unset it";
  return check("certificates", "warning", `${named}, ${why}`, todo);
}

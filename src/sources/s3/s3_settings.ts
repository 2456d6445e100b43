import { badChoice, parseBoolean } from "../../config/parse_setting.ts";
import { AimError } from "../../errors/aim_error.ts";
import { keepKeyId, keepSecret } from "../../log/redact.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Settings of S3, from the variables of AWS's tools, AMD's AIM Engine operator and KServe. */
export interface S3Settings {
  /** `null`: the shared configuration's, else AWS. */
  readonly endpoint: string | null;
  /** The variable that names the endpoint. */
  readonly endpointVariable: string;
  /** `null`: the shared configuration's, else us-east-1. */
  readonly region: string | null;
  readonly credentials: S3Credentials;
  /** `null`: path with a configured endpoint, virtual on AWS. */
  readonly addressing: "path" | "virtual" | "auto" | null;
  readonly accelerate: boolean;
  readonly verifyTls: boolean;
  readonly requesterPays: boolean;
  /** SSE-C: 32 bytes in base64. */
  readonly customerKey: string | null;
  /** The environment that they are from, with KServe's storage spec. */
  readonly env: Env;
}

export type S3Credentials =
  | {
    readonly kind: "static";
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  }
  | { readonly kind: "anonymous" }
  /** The SDK's default chain. `askedBy`: the setting that requires credentials, as `NAME is "value"`; if `null`, requests may be unsigned. */
  | { readonly kind: "chain"; readonly askedBy: string | null };

/** Maximum bytes of a file that a `…_FILE` variable names. */
const LARGEST_VALUE = 65_536;

/** Variables that require credentials from the chain. */
const CHAIN_VARIABLES = [
  "AWS_PROFILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
] as const;

/** Keys of KServe's storage spec, and the variables with the same meaning. */
const STORAGE_SPEC = {
  endpoint_url: "AWS_ENDPOINT_URL",
  access_key_id: "AWS_ACCESS_KEY_ID",
  secret_access_key: "AWS_SECRET_ACCESS_KEY",
  region: "AWS_DEFAULT_REGION",
  ca_bundle: "AWS_CA_BUNDLE",
  verify_ssl: "S3_VERIFY_SSL",
  anonymous: "awsAnonymousCredential",
} as const;

/**
 * Reads the settings of S3. `NAME_FILE` is the path of a file with the value of `NAME`. Values are trimmed. KServe's
 * storage spec, a JSON object in `STORAGE_CONFIG` or `STORAGE_OVERRIDE_CONFIG`, overrides variables.
 *
 * @throws {AimError} `usage` naming the variable; `unauthorized` if one of the two keys is missing.
 */
export function s3Settings(environment: Env): S3Settings {
  const env = withStorageSpec(environment);
  const read = new Variables(env);
  const mode = read.choice("AIM_S3_AUTH_MODE", ["chain", "static", "anonymous"]);
  return {
    ...endpointFrom(read, mode !== null),
    region: regionFrom(read),
    credentials: credentialsFrom(env, read, mode),
    addressing: read.choice("AIM_S3_ADDRESSING_STYLE", ["path", "virtual", "auto"]) ??
      (read.flag("S3_USER_VIRTUAL_BUCKET") ? "virtual" : null),
    accelerate: read.flag("S3_USE_ACCELERATE") ?? false,
    verifyTls: !(read.flag("AIM_S3_INSECURE_SKIP_VERIFY") ?? read.flag("S3_VERIFY_SSL") === false),
    requesterPays: read.choice("AWS_REQUEST_PAYER", ["requester"]) !== null,
    customerKey: customerKeyFrom(read),
    env,
  };
}

function withStorageSpec(env: Env): Env {
  const spec = { ...objectIn(env, "STORAGE_CONFIG"), ...objectIn(env, "STORAGE_OVERRIDE_CONFIG") };
  if (spec.type !== "s3") return env;
  const given = Object.entries(STORAGE_SPEC).flatMap(([key, variable]) => {
    const value = spec[key];
    return typeof value === "string" || typeof value === "boolean" ? [[variable, `${value}`]] : [];
  });
  return { ...env, ...Object.fromEntries(given) };
}

/** The error does not show the text, which contains keys. */
function objectIn(env: Env, name: string): Readonly<Record<string, unknown>> {
  const text = env[name]?.trim();
  if (!text) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch { /* not JSON */ }
  throw wrong(name, "is not a JSON object", "use KServe's storage spec, or unset it");
}

function wrong(variable: string, what: string, hint: string): AimError {
  return new AimError("usage", `${variable} ${what}`, { hint });
}

/** Reads variables. Values are `null` if unset or empty. */
class Variables {
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  /** The variable's own value. */
  own(name: string): string | null {
    return this.#env[name]?.trim() || null;
  }

  /** The variable's value, else the content of the file `NAME_FILE`. */
  text(name: string): string | null {
    const own = this.own(name);
    const variable = own === null ? `${name}_FILE` : name;
    const value = own ?? this.#fileOf(name, variable);
    // Values become headers, which cannot have line breaks. It may be a secret, so the error does not show it.
    // deno-lint-ignore no-control-regex
    if (value === null || !/[\x00-\x1f\x7f]/.test(value)) return value || null;
    const hint = `set ${variable} to a single line`;
    throw wrong(`the value of ${variable}`, "has a line break or another control character", hint);
  }

  #fileOf(name: string, variable: string): string | null {
    const path = this.own(variable);
    if (path === null) return null;
    const file = readRegularTextSync(path, LARGEST_VALUE);
    if (file.kind === "ok") return file.value.trim();
    const hint = `name a file with the value of ${name}, or unset it`;
    throw wrong(variable, `is ${JSON.stringify(path)}: ${file.reason}`, hint);
  }

  /** The first of these variables with a value. */
  first(names: readonly string[]): { readonly name: string; readonly text: string } | null {
    for (const name of names) {
      const text = this.text(name);
      if (text !== null) return { name, text };
    }
    return null;
  }

  secret(name: string): string | null {
    const text = this.text(name);
    keepSecret(text ?? undefined);
    return text;
  }

  flag(name: string): boolean | null {
    const text = this.text(name);
    const value = text === null ? null : parseBoolean(text);
    if (value === undefined) throw badChoice(name, text ?? "", ["true", "false"]);
    return value;
  }

  choice<const T extends string>(name: string, choices: readonly T[]): T | null {
    const text = this.text(name);
    const choice = text === null ? null : choices.find((one) => one === text.toLowerCase());
    if (choice === undefined) throw badChoice(name, text ?? "", choices);
    return choice;
  }
}

/**
 * The endpoint. The operator sets `AWS_ENDPOINT_URL` together with `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, so that
 * those of profiles are ignored.
 *
 * @param typed `AIM_S3_AUTH_MODE` is set, as the operator does.
 */
function endpointFrom(
  read: Variables,
  typed: boolean,
): Pick<S3Settings, "endpoint" | "endpointVariable"> {
  const names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT"];
  if (read.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) names.length = 0;
  if (typed) names.unshift("AWS_ENDPOINT_URL");
  const given = read.first(names);
  if (given === null) return { endpoint: null, endpointVariable: "AWS_ENDPOINT_URL" };
  const { name, text } = given;
  const scheme = read.flag("S3_NO_SSL") === true || read.flag("S3_USE_HTTPS") === false ? "http" : "https";
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${scheme}://${text}`;
  return { endpoint: addressFrom(name, address), endpointVariable: name };
}

function addressFrom(variable: string, text: string): string {
  const url = URL.parse(text);
  const fault = addressFault(url);
  if (url !== null && fault === null) return url.href.replace(/\/+$/, "");
  const shown = JSON.stringify(text.replace(/[^/]*@/, "***@"));
  throw wrong(variable, `is ${shown}: ${fault}`, "use an address such as https://HOST[:PORT]");
}

function addressFault(url: URL | null): string | null {
  if (url === null) return "it is not an address";
  if (!/^https?:$/.test(url.protocol)) return "it is neither http nor https";
  if (url.username !== "" || url.password !== "") return "it has a user name or a password in it";
  return url.search === "" && url.hash === "" ? null : "it has a query or a fragment";
}

function regionFrom(read: Variables): string | null {
  const given = read.first(["AWS_REGION", "AWS_DEFAULT_REGION"]);
  // It becomes a part of the host's name and of the signature.
  if (given === null || /^[A-Za-z0-9_-]{1,63}$/.test(given.text)) return given?.text ?? null;
  throw wrong(given.name, `is ${JSON.stringify(given.text)}`, "use a region's name, such as us-east-1");
}

function credentialsFrom(
  env: Env,
  read: Variables,
  mode: "chain" | "static" | "anonymous" | null,
): S3Credentials {
  const signature = read.choice("AIM_S3_SIGNATURE_VERSION", ["s3v4", "v4", "unsigned"]);
  const anonymous = read.flag("AIM_S3_ANONYMOUS") ?? read.flag("awsAnonymousCredential") ??
    signature === "unsigned";
  if (anonymous && (mode === "static" || mode === "chain")) {
    const what = `is "${mode}", and AIM_S3_ANONYMOUS asks for no credentials`;
    throw wrong("AIM_S3_AUTH_MODE", what, "set only one of them");
  }
  if (anonymous || mode === "anonymous") return { kind: "anonymous" };
  const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;
  const accessKeyId = read.text(names[0]);
  keepKeyId(accessKeyId ?? undefined);
  const secretAccessKey = read.secret(names[1]);
  const sessionToken = read.secret("AWS_SESSION_TOKEN");
  const way = ["AIM_S3_AUTH_MODE", ...CHAIN_VARIABLES].find((name) => read.own(name) !== null);
  const askedBy = way === undefined ? null : `${way} is ${JSON.stringify(read.own(way))}`;
  if (mode !== "static" && read.own("AWS_PROFILE") !== null) return { kind: "chain", askedBy };
  if (accessKeyId !== null && secretAccessKey !== null) {
    return { kind: "static", accessKeyId, secretAccessKey, ...(sessionToken !== null && { sessionToken }) };
  }
  const missing = names.filter((name) => read.text(name) === null);
  if (mode === "static" || missing.length === 1) {
    const message = "S3 credentials are incomplete (Unable to locate credentials)";
    throw new AimError("unauthorized", message, { hint: `set ${missing.join(" and ")}` });
  }
  // An empty key means that requests are not signed.
  if (askedBy === null && names.some((name) => env[name] !== undefined)) return { kind: "anonymous" };
  return { kind: "chain", askedBy };
}

function customerKeyFrom(read: Variables): string | null {
  const name = "AIM_S3_SSE_CUSTOMER_KEY";
  const key = read.secret(name);
  if (key === null) return null;
  try {
    if (Uint8Array.fromBase64(key).length === 32) return key;
  } catch { /* as a wrong length */ }
  throw wrong(name, "is not a key", "use 32 bytes in base64");
}

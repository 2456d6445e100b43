import { badChoice, parseBoolean } from "../../config/parse_setting.ts";
import { AimError } from "../../errors/aim_error.ts";
import { keepKeyId, keepSecret } from "../../log/redact.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";
import { isJsonObject, jsonOrNull } from "../../values/json.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Settings of S3, from the variables of AWS's tools, AMD's AIM Engine operator and KServe. */
export interface S3Settings {
  /** `null`: the shared configuration's, else AWS. */
  readonly endpoint: string | null;
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
  /** The environment that they were read from, with KServe's storage spec applied. */
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
  /**
   * The SDK's default chain. `askedBy`: what requires credentials, as `NAME is "value"`; `null` for nothing.
   */
  | { readonly kind: "chain"; readonly askedBy: string | null };

/** Maximum bytes of a file that a `…_FILE` variable names. */
const LARGEST_VALUE = 65_536;

/** In order of precedence. */
const ENDPOINT_VARIABLES = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT"];

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
 * Reads the settings of S3. `NAME_FILE` is the path of a file with the value of `NAME`. Values are trimmed.
 * KServe's storage spec, a JSON object in `STORAGE_CONFIG` or `STORAGE_OVERRIDE_CONFIG`, overrides variables.
 *
 * @throws {AimError} `usage` naming the variable; `unauthorized` if one of the two keys is missing.
 */
export function s3Settings(environment: Env): S3Settings {
  const env = withStorageSpec(environment);
  const mode = choice(env, "AIM_S3_AUTH_MODE", ["chain", "static", "anonymous"]);
  return {
    endpoint: endpointFrom(env, mode !== null),
    region: regionFrom(env),
    credentials: credentialsFrom(env, mode),
    addressing: choice(env, "AIM_S3_ADDRESSING_STYLE", ["path", "virtual", "auto"]) ??
      (flag(env, "S3_USER_VIRTUAL_BUCKET") ? "virtual" : null),
    accelerate: flag(env, "S3_USE_ACCELERATE") ?? false,
    verifyTls: !(flag(env, "AIM_S3_INSECURE_SKIP_VERIFY") ?? flag(env, "S3_VERIFY_SSL") === false),
    requesterPays: choice(env, "AWS_REQUEST_PAYER", ["requester"]) !== null,
    customerKey: customerKeyFrom(env),
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
  const text = ownValue(env, name);
  if (text === null) return {};
  const value = jsonOrNull(text);
  if (isJsonObject(value)) return value;
  throw wrong(name, "is not a JSON object", "use KServe's storage spec, or unset it");
}

function wrong(variable: string, what: string, hint: string): AimError {
  return new AimError("usage", `${variable} ${what}`, { hint });
}

/** A variable's own value; `null` if it is unset or empty. */
function ownValue(env: Env, name: string): string | null {
  return env[name]?.trim() || null;
}

/** A variable's value, else the content of the file `NAME_FILE`; `null` if both are unset or empty. */
function valueOf(env: Env, name: string): string | null {
  const own = ownValue(env, name);
  const variable = own === null ? `${name}_FILE` : name;
  const value = own ?? contentOf(env, name, variable);
  // Values become headers, which cannot have line breaks. It may be a secret, so the error does not show it.
  // deno-lint-ignore no-control-regex
  if (value === null || !/[\x00-\x1f\x7f]/.test(value)) return value || null;
  const hint = `set ${variable} to a single line`;
  throw wrong(`the value of ${variable}`, "has a line break or another control character", hint);
}

function contentOf(env: Env, name: string, variable: string): string | null {
  const path = ownValue(env, variable);
  if (path === null) return null;
  const file = readRegularTextSync(path, LARGEST_VALUE);
  if (file.kind === "ok") return file.value.trim();
  const hint = `name a file with the value of ${name}, or unset it`;
  throw wrong(variable, `is ${JSON.stringify(path)}: ${file.reason}`, hint);
}

function flag(env: Env, name: string): boolean | null {
  const text = valueOf(env, name);
  const value = text === null ? null : parseBoolean(text);
  if (value === undefined) throw badChoice(name, text ?? "", ["true", "false"]);
  return value;
}

function choice<const T extends string>(env: Env, name: string, choices: readonly T[]): T | null {
  const text = valueOf(env, name);
  const chosen = text === null ? null : choices.find((one) => one === text.toLowerCase());
  if (chosen === undefined) throw badChoice(name, text ?? "", choices);
  return chosen;
}

/**
 * The endpoint. The operator sets `AWS_ENDPOINT_URL` together with `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, so
 * that those of profiles are ignored.
 *
 * @param typed Whether `AIM_S3_AUTH_MODE` is set, which the operator does.
 */
function endpointFrom(env: Env, typed: boolean): string | null {
  const names = [
    ...(typed ? ["AWS_ENDPOINT_URL"] : []),
    ...(flag(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") ? [] : ENDPOINT_VARIABLES),
  ];
  const name = names.find((one) => valueOf(env, one) !== null);
  const text = name === undefined ? null : valueOf(env, name);
  if (name === undefined || text === null) return null;
  const scheme = flag(env, "S3_NO_SSL") === true || flag(env, "S3_USE_HTTPS") === false ? "http" : "https";
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${scheme}://${text}`;
  const url = URL.parse(address);
  const fault = addressFault(url);
  if (url !== null && fault === null) return url.href.replace(/\/+$/, "");
  const shown = JSON.stringify(address.replace(/[^/]*@/, "***@"));
  throw wrong(name, `is ${shown}: ${fault}`, "use an address such as https://HOST[:PORT]");
}

function addressFault(url: URL | null): string | null {
  if (url === null) return "it is not an address";
  if (!/^https?:$/.test(url.protocol)) return "it is neither http nor https";
  if (url.username !== "" || url.password !== "") return "it contains a user name or a password";
  return url.search === "" && url.hash === "" ? null : "it has a query or a fragment";
}

function regionFrom(env: Env): string | null {
  for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION"]) {
    const region = valueOf(env, name);
    // It becomes part of the host's name and of the signature.
    if (region !== null && !/^[A-Za-z0-9_-]{1,63}$/.test(region)) {
      throw wrong(name, `is ${JSON.stringify(region)}`, "use a region's name, such as us-east-1");
    }
    if (region !== null) return region;
  }
  return null;
}

function credentialsFrom(env: Env, mode: "chain" | "static" | "anonymous" | null): S3Credentials {
  const signature = choice(env, "AIM_S3_SIGNATURE_VERSION", ["s3v4", "v4", "unsigned"]);
  const anonymous = flag(env, "AIM_S3_ANONYMOUS") ?? flag(env, "awsAnonymousCredential") ??
    signature === "unsigned";
  if (anonymous && (mode === "static" || mode === "chain")) {
    const what = `is "${mode}", but AIM_S3_ANONYMOUS requests anonymous access`;
    throw wrong("AIM_S3_AUTH_MODE", what, "set only one of them");
  }
  if (anonymous || mode === "anonymous") return { kind: "anonymous" };
  const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;
  const [accessKeyId, secretAccessKey, sessionToken] = [...names, "AWS_SESSION_TOKEN"].map((name) =>
    valueOf(env, name)
  );
  keepKeyId(accessKeyId ?? undefined);
  for (const secret of [secretAccessKey, sessionToken]) keepSecret(secret ?? undefined);
  const way = ["AIM_S3_AUTH_MODE", ...CHAIN_VARIABLES].find((name) => ownValue(env, name) !== null);
  const askedBy = way === undefined ? null : `${way} is ${JSON.stringify(ownValue(env, way))}`;
  if (mode !== "static" && ownValue(env, "AWS_PROFILE") !== null) return { kind: "chain", askedBy };
  if (accessKeyId && secretAccessKey) {
    return { kind: "static", accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
  }
  const missing = names.filter((name) => valueOf(env, name) === null);
  if (mode === "static" || missing.length === 1) {
    const message = "S3 credentials are incomplete (Unable to locate credentials)";
    throw new AimError("unauthorized", message, { hint: `set ${missing.join(" and ")}` });
  }
  // A key that is set to nothing turns signing off.
  if (askedBy === null && names.some((name) => env[name] !== undefined)) return { kind: "anonymous" };
  return { kind: "chain", askedBy };
}

function customerKeyFrom(env: Env): string | null {
  const name = "AIM_S3_SSE_CUSTOMER_KEY";
  const key = valueOf(env, name);
  if (key === null) return null;
  keepSecret(key);
  try {
    if (Uint8Array.fromBase64(key).length === 32) return key;
  } catch { /* reported like a wrong length */ }
  throw wrong(name, "is not a valid key", "use 32 bytes in base64");
}

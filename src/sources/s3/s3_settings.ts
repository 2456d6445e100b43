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

/**
 * Reads the settings of S3. `NAME_FILE` is the path of a file with the value of `NAME`. Values are trimmed.
 *
 * @throws {AimError} `usage` naming the variable; `unauthorized` if one of the two keys is missing.
 */
export function s3Settings(env: Env): S3Settings {
  const read = (name: string) => valueOf(env, name);
  const flag = (name: string) => booleanOf(name, read(name));
  const mode = choiceOf("AIM_S3_AUTH_MODE", read, ["chain", "static", "anonymous"] as const);
  const { endpoint, variable } = endpointFrom(read, flag, mode !== null);
  return {
    endpoint,
    endpointVariable: variable,
    region: regionFrom(read),
    credentials: credentialsFrom(env, read, flag, mode),
    addressing: choiceOf("AIM_S3_ADDRESSING_STYLE", read, ["path", "virtual", "auto"] as const) ??
      (flag("S3_USER_VIRTUAL_BUCKET") ? "virtual" : null),
    accelerate: flag("S3_USE_ACCELERATE") ?? false,
    verifyTls: !(flag("AIM_S3_INSECURE_SKIP_VERIFY") ?? flag("S3_VERIFY_SSL") === false),
    requesterPays: choiceOf("AWS_REQUEST_PAYER", read, ["requester"] as const) !== null,
    customerKey: customerKeyFrom(read),
  };
}

type Read = (name: string) => string | null;
type Flag = (name: string) => boolean | null;

/** A variable's value, else the content of the file `NAME_FILE`; `null` if both are unset or empty. */
function valueOf(env: Env, name: string): string | null {
  const own = env[name]?.trim();
  if (own) return printable(name, own);
  const variable = `${name}_FILE`;
  const path = env[variable]?.trim();
  if (!path) return null;
  const file = readRegularTextSync(path, LARGEST_VALUE);
  if (file.kind === "ok") return printable(variable, file.value.trim()) || null;
  const reason = file.kind === "absent" ? "there is no such file" : file.reason;
  throw new AimError("usage", `${variable} is ${JSON.stringify(path)}: ${reason}`, {
    hint: `name a file with the value of ${name}, or unset it`,
  });
}

/** Values become headers, which cannot have line breaks. The value may be a secret, so the error does not show it. */
function printable(variable: string, value: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[\x00-\x1f\x7f]/.test(value)) return value;
  throw new AimError("usage", `the value of ${variable} has a line break or another control character`, {
    hint: `set ${variable} to a single line`,
  });
}

function booleanOf(name: string, text: string | null): boolean | null {
  if (text === null) return null;
  const value = parseBoolean(text);
  if (value !== undefined) return value;
  throw new AimError("usage", `${name} is ${JSON.stringify(text)}`, { hint: "use true or false" });
}

function choiceOf<const T extends string>(name: string, read: Read, choices: readonly T[]): T | null {
  const text = read(name);
  if (text === null) return null;
  const choice = choices.find((one) => one === text.toLowerCase());
  if (choice === undefined) throw badChoice(name, text, choices);
  return choice;
}

/**
 * The endpoint. The operator sets `AWS_ENDPOINT_URL` together with `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, so that
 * those of profiles are ignored.
 *
 * @param typed `AIM_S3_AUTH_MODE` is set, as the operator does.
 */
function endpointFrom(
  read: Read,
  flag: Flag,
  typed: boolean,
): { readonly endpoint: string | null; readonly variable: string } {
  const ignored = flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") ?? false;
  const names = [
    ...(typed ? ["AWS_ENDPOINT_URL"] : []),
    ...(ignored ? [] : ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT"]),
  ];
  for (const variable of names) {
    const text = read(variable);
    if (text === null) continue;
    const scheme = flag("S3_NO_SSL") === true || flag("S3_USE_HTTPS") === false ? "http" : "https";
    return {
      endpoint: addressFrom(variable, /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${scheme}://${text}`),
      variable,
    };
  }
  return { endpoint: null, variable: "AWS_ENDPOINT_URL" };
}

function addressFrom(variable: string, text: string): string {
  const url = URL.parse(text);
  const fault = url === null ? "it is not an address" : addressFault(url);
  if (url !== null && fault === null) return url.href.replace(/\/+$/, "");
  const shown = JSON.stringify(text.replace(/[^/]*@/, "***@"));
  throw new AimError("usage", `${variable} is ${shown}: ${fault}`, {
    hint: "use an address such as https://HOST[:PORT]",
  });
}

function addressFault(url: URL): string | null {
  if (!/^https?:$/.test(url.protocol)) return "it is neither http nor https";
  if (url.username !== "" || url.password !== "") return "it has a user name or a password in it";
  return url.search === "" && url.hash === "" ? null : "it has a query or a fragment";
}

function regionFrom(read: Read): string | null {
  for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION"]) {
    const region = read(name);
    if (region === null) continue;
    // It becomes a part of the host's name and of the signature.
    if (/^[A-Za-z0-9_-]{1,63}$/.test(region)) return region;
    throw new AimError("usage", `${name} is ${JSON.stringify(region)}`, {
      hint: "use a region's name, such as us-east-1",
    });
  }
  return null;
}

function credentialsFrom(
  env: Env,
  read: Read,
  flag: Flag,
  mode: "chain" | "static" | "anonymous" | null,
): S3Credentials {
  const signature = choiceOf("AIM_S3_SIGNATURE_VERSION", read, ["s3v4", "v4", "unsigned"] as const);
  const anonymous = flag("AIM_S3_ANONYMOUS") ?? flag("awsAnonymousCredential") ?? signature === "unsigned";
  if (anonymous && (mode === "static" || mode === "chain")) {
    const message = `AIM_S3_AUTH_MODE is "${mode}", and AIM_S3_ANONYMOUS asks for no credentials`;
    throw new AimError("usage", message, { hint: "set only one of them" });
  }
  if (anonymous || mode === "anonymous") return { kind: "anonymous" };
  const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;
  const [accessKeyId, secretAccessKey] = names.map(read);
  const sessionToken = read("AWS_SESSION_TOKEN");
  for (const secret of [secretAccessKey, sessionToken]) keepSecret(secret ?? undefined);
  keepKeyId(accessKeyId ?? undefined);
  const way = mode === "static"
    ? undefined
    : ["AIM_S3_AUTH_MODE", ...CHAIN_VARIABLES].find((name) => env[name]?.trim());
  const askedBy = way === undefined ? null : `${way} is ${JSON.stringify(env[way]?.trim())}`;
  if (mode !== "static" && env.AWS_PROFILE?.trim()) return { kind: "chain", askedBy };
  if (accessKeyId && secretAccessKey) {
    return { kind: "static", accessKeyId, secretAccessKey, ...(sessionToken !== null && { sessionToken }) };
  }
  const missing = names.filter((name) => read(name) === null);
  if (mode === "static" || missing.length === 1) {
    throw new AimError("unauthorized", `S3 credentials are incomplete (Unable to locate credentials)`, {
      hint: `set ${missing.join(" and ")}`,
    });
  }
  // An empty key means that requests are not signed.
  if (askedBy === null && names.some((name) => env[name] !== undefined)) return { kind: "anonymous" };
  return { kind: "chain", askedBy };
}

function customerKeyFrom(read: Read): string | null {
  const name = "AIM_S3_SSE_CUSTOMER_KEY";
  const key = read(name);
  if (key === null) return null;
  keepSecret(key);
  try {
    if (Uint8Array.fromBase64(key).length === 32) return key;
  } catch { /* as a wrong length */ }
  throw new AimError("usage", `${name} is not a key`, { hint: "use 32 bytes in base64" });
}

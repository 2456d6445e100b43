import { AimError } from "../../errors/aim_error.ts";
import { keepSecret } from "../../log/redact.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Keys of KServe's storage spec, and the variables with the same meaning. */
const VARIABLES = {
  endpoint_url: "AWS_ENDPOINT_URL",
  access_key_id: "AWS_ACCESS_KEY_ID",
  secret_access_key: "AWS_SECRET_ACCESS_KEY",
  region: "AWS_DEFAULT_REGION",
  ca_bundle: "AWS_CA_BUNDLE",
  verify_ssl: "S3_VERIFY_SSL",
  anonymous: "awsAnonymousCredential",
} as const;

/**
 * Adds KServe's storage spec for S3 to the environment: `STORAGE_CONFIG`, a JSON object, overridden by
 * `STORAGE_OVERRIDE_CONFIG`.
 *
 * @throws {AimError} `usage` if either is not a JSON object; without its text, which contains keys.
 */
export function withStorageConfig(env: Env): Env {
  const spec = { ...objectIn(env, "STORAGE_CONFIG"), ...objectIn(env, "STORAGE_OVERRIDE_CONFIG") };
  if (spec.type !== "s3") return env;
  const given = Object.entries(VARIABLES).flatMap(([key, variable]) => {
    const value = spec[key];
    return typeof value === "string" || typeof value === "boolean" ? [[variable, `${value}`]] : [];
  });
  return { ...env, ...Object.fromEntries(given) };
}

function objectIn(env: Env, name: string): Readonly<Record<string, unknown>> {
  const text = env[name]?.trim();
  if (!text) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const object = { ...value } as Record<string, unknown>;
      if (typeof object.secret_access_key === "string") keepSecret(object.secret_access_key);
      return object;
    }
  } catch { /* not JSON */ }
  throw new AimError("usage", `${name} is not a JSON object`, {
    hint: "use KServe's storage spec, or unset it",
  });
}

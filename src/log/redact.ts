const secrets = new Set<string>();

/** Registers a value never to print. Below 6 characters it is ignored: masking it would garble words. */
export function keepSecret(value: string | undefined): void {
  if (value !== undefined && value.length >= 6) secrets.add(value);
}

/** Registers an access key's id. AWS's have 20 characters; a short one, like "minio", may be a word. */
export function keepKeyId(value: string | undefined): void {
  if (value !== undefined && value.length >= 16) keepSecret(value);
}

const SECRETS = [
  "HF_TOKEN",
  "HUGGING_FACE_HUB_TOKEN",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AIM_S3_SSE_CUSTOMER_KEY",
];
/** Variables with a proxy's address, which may contain a password. */
export const PROXY_VARIABLES = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/** Registers the secrets in the environment, before anything is printed. */
export function keepEnvironmentSecrets(env: Readonly<Record<string, string | undefined>>): void {
  for (const name of SECRETS) keepSecret(env[name]?.trim());
  keepKeyId(env.AWS_ACCESS_KEY_ID?.trim());
  for (const name of PROXY_VARIABLES) {
    keepSecret(/^[a-z0-9+.-]+:\/\/[^/@\s]*?:([^/\s]*)@/i.exec(env[name] ?? "")?.[1]);
  }
}

/** Replaces registered secrets, bearer tokens, user info in URLs and signatures in queries with `***`. */
export function redact(text: string): string {
  let clean = text;
  for (const secret of secrets) {
    clean = clean.replaceAll(secret, "***").replaceAll(encodeURIComponent(secret), "***");
  }
  return clean
    .replace(/\bhf_[A-Za-z0-9]{8,}/g, "hf_***")
    .replace(/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi, "$1 ***")
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^/\s@"']+@/gi, "$1***@")
    .replace(SIGNED_QUERY, "$1***");
}

// Query parameters that grant access: presigned URLs of AWS, CloudFront, GCS, Azure SAS, the hub's CDN.
const SIGNED_QUERY =
  /([?&](?:X-Amz-[A-Za-z-]+|X-Goog-[A-Za-z-]+|AWSAccessKeyId|Signature|Policy|Key-Pair-Id|Expires|sig|sv|se|token|access_token)=)[^&\s"']*/gi;

/** True for names of secrets, such as `OPENAI_API_KEY`, `api-key`, `hf_token` and `kv.password`. */
export function isSecretName(name: string): boolean {
  return /(?:api[-_]?key|access[-_]?key|private[-_]?key|secret[-_]?key|token|secret|passw(?:or)?d|passphrase|credentials?)$/i
    .test(name);
}

/** The environment without secrets, for programs that need none. */
export function withoutSecrets(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || isSecretName(name) ? [] : [[name, value]]
    ),
  );
}

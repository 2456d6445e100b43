import { keepKeyId, keepSecret } from "../log/redact.ts";

const SECRETS = [
  "HF_TOKEN",
  "HUGGING_FACE_HUB_TOKEN",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AIM_S3_SSE_CUSTOMER_KEY",
];
const PROXIES = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"];

/** Registers the secrets in the environment, before anything is printed. */
export function keepEnvironmentSecrets(env: Readonly<Record<string, string | undefined>>): void {
  for (const name of SECRETS) keepSecret(env[name]?.trim());
  keepKeyId(env.AWS_ACCESS_KEY_ID?.trim());
  for (const name of PROXIES) {
    const address = env[name] ?? "";
    const password = address === ""
      ? undefined
      : /^[a-z0-9+.-]+:\/\/[^/@\s]*?:([^/\s]*)@/i.exec(address)?.[1];
    if (password !== undefined) keepSecret(password);
  }
}

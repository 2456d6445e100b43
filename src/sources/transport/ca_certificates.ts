import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";

/** Variables that name a PEM file of authorities to OpenSSL, Node, the AWS tools, requests and curl. */
const CA_VARIABLES = [
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS",
  "AWS_CA_BUNDLE",
  "AIM_S3_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Certificate authorities that the environment names, in PEM: trusted in addition to those built into Deno.
 *
 * @throws {AimError} `usage` when a variable names a file that cannot be read or contains no certificate.
 */
export function caCertificates(env: Env): string[] {
  const pems = [...namedAuthorities(env)].map(([path, [name = ""]]) => readCertificates(path, name));
  return [...pems, kserveCertificates(env)].filter((pem) => pem !== null);
}

/** The files of certificate authorities that the environment names, and the variables that name each. */
export function namedAuthorities(env: Env): Map<string, string[]> {
  return Map.groupBy(CA_VARIABLES.filter((name) => env[name]), (name) => env[name] ?? "");
}

/** KServe names a ConfigMap in either variable, and mounts it at a third one's path or the default. */
function kserveCertificates(env: Env): string | null {
  const configMap = env.AWS_CA_BUNDLE_CONFIGMAP || env.CA_BUNDLE_CONFIGMAP_NAME;
  if (!configMap || env.AWS_CA_BUNDLE) return null;
  const path = `${env.CA_BUNDLE_VOLUME_MOUNT_POINT || "/etc/ssl/custom-certs"}/cabundle.crt`;
  const read = readRegularTextSync(path);
  if (read.kind === "ok") return read.value;
  log.warn("cannot read the certificates of a ConfigMap, only the default authorities are trusted", {
    configMap,
    path,
  });
  return null;
}

function readCertificates(path: string, variable: string): string | null {
  const read = readRegularTextSync(path);
  // The requests library also accepts a directory of hashed certificates, which Deno cannot use.
  if (read.kind === "failed" && read.reason.includes("a directory")) return null;
  if (read.kind === "ok" && read.value.includes("-----BEGIN CERTIFICATE-----")) return read.value;
  const why = read.kind === "ok" ? "contains no certificate" : "cannot be read";
  throw new AimError("usage", `${variable} is ${JSON.stringify(path)}, which ${why}`, {
    hint: "name a readable PEM file of certificate authorities, or unset it",
    ...(read.kind === "failed" && { cause: read.cause }),
  });
}

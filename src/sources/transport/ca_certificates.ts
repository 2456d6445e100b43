import { AimError } from "../../errors/aim_error.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";

/** Variables that name a PEM file of certificate authorities, as OpenSSL, Node, the AWS tools, Python's requests and curl know them. */
const CA_VARIABLES = [
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS",
  "AWS_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
] as const;

/**
 * Certificate authorities that the environment names, in PEM. They count beside those built into Deno.
 *
 * @throws {AimError} `usage` when a variable names a file that cannot be read or holds no certificate.
 */
export function caCertificates(env: Readonly<Record<string, string | undefined>>): string[] {
  const paths = new Map<string, string>();
  for (const name of CA_VARIABLES) {
    const path = env[name];
    if (path !== undefined && path !== "" && !paths.has(path)) paths.set(path, name);
  }
  return [...paths].map(([path, name]) => readCertificates(path, name)).filter((pem) => pem !== null);
}

function readCertificates(path: string, variable: string): string | null {
  const read = readRegularTextSync(path);
  if (read.kind !== "ok") {
    // requests takes a directory of hashed certificates here too; Deno has no use for one.
    if (read.kind === "failed" && read.reason.includes("a directory")) return null;
    throw new AimError("usage", `${variable} is ${JSON.stringify(path)}, which cannot be read`, {
      hint: "name a readable PEM file of certificate authorities, or unset it",
      ...(read.kind === "failed" && { cause: read.cause }),
    });
  }
  if (read.value.includes("-----BEGIN CERTIFICATE-----")) return read.value;
  throw new AimError("usage", `${variable} is ${JSON.stringify(path)}, which holds no certificate`, {
    hint: "name a PEM file of certificate authorities, or unset it",
  });
}

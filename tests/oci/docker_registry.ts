import type { Certificates } from "../servers/certificates.ts";
import { freePort } from "../servers/free_port.ts";

/** A running docker-registry. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. Uses plain HTTP unless it has a certificate. */
  readonly host: string;
  /** The folder that it stores blobs in. */
  readonly storage: string;
  /** Blob bytes sent, according to its log. */
  blobBytesSent(): Promise<number>;
}

/** Why it cannot be started; `null` if it can. */
export const NO_REGISTRY = await has("docker-registry") && await has("skopeo")
  ? null
  : "docker-registry or skopeo is not installed";

/** How clients authenticate. */
export type RegistryAuth =
  | { readonly kind: "none" }
  /** A line of an htpasswd file (bcrypt). */
  | { readonly kind: "basic"; readonly htpasswd: string }
  | {
    readonly kind: "token";
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    /** PEM of the certificate that signs tokens. */
    readonly certificate: string;
  };

/** A bucket that a registry stores its blobs in. */
export interface BucketStorage {
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly bucket: string;
}

function storageYaml(s3: BucketStorage | undefined, folder: string): string {
  if (s3 === undefined) return `filesystem: { rootdirectory: ${folder}/data }`;
  const { url, accessKey, secretKey, bucket } = s3;
  const place = `region: us-east-1, regionendpoint: "${url}", bucket: ${bucket}, secure: false, v4auth: true`;
  return `s3: { accesskey: ${accessKey}, secretkey: ${secretKey}, ${place} }`;
}

/**
 * Starts Debian's docker-registry on loopback, with an empty folder.
 *
 * @param options.remote URL of a registry for which it is a pull-through cache.
 * @param options.tls For HTTPS.
 * @param options.s3 A bucket to store blobs in; clients are redirected there.
 */
export async function startRegistry(
  auth: RegistryAuth = { kind: "none" },
  options: { readonly remote?: string; readonly tls?: Certificates["tls"]; readonly s3?: BucketStorage } = {},
): Promise<DockerRegistry> {
  const folder = await Deno.makeTempDir({ prefix: "aim-registry-" });
  const port = freePort();
  let authYaml = "";
  if (auth.kind === "basic") {
    await Deno.writeTextFile(`${folder}/htpasswd`, `${auth.htpasswd}\n`);
    authYaml = `auth:\n  htpasswd:\n    realm: test\n    path: ${folder}/htpasswd\n`;
  } else if (auth.kind === "token") {
    await Deno.writeTextFile(`${folder}/cert.pem`, auth.certificate);
    authYaml =
      `auth:\n  token:\n    realm: ${auth.realm}\n    service: ${auth.service}\n    issuer: ${auth.issuer}\n    rootcertbundle: ${folder}/cert.pem\n`;
  }
  const { tls } = options;
  let tlsYaml = "";
  if (tls !== undefined) {
    await Deno.writeTextFile(`${folder}/tls.pem`, tls.cert);
    await Deno.writeTextFile(`${folder}/tls.key`, tls.key);
    tlsYaml = `, tls: { certificate: ${folder}/tls.pem, key: ${folder}/tls.key }`;
  }
  await Deno.writeTextFile(
    `${folder}/config.yml`,
    `version: 0.1
log: { level: error, accesslog: { disabled: false } }
storage: { ${storageYaml(options.s3, folder)}, delete: { enabled: true } }
http: { addr: "127.0.0.1:${port}"${tlsYaml} }
${options.remote === undefined ? "" : `proxy: { remoteurl: "${options.remote}" }\n`}${authYaml}`,
  );
  const child = new Deno.Command("sh", {
    args: ["-c", 'unset AWS_CA_BUNDLE; exec docker-registry serve "$0/config.yml" >"$0/log" 2>&1', folder],
    stdin: "null",
  }).spawn();
  for (let left = 200;; left--) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      break;
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    host: `127.0.0.1:${port}`,
    storage: `${folder}/data`,
    async blobBytesSent() {
      const lines = await Deno.readTextFile(`${folder}/log`);
      const sent = lines.matchAll(/"GET \S+\/blobs\/\S+ HTTP\/1\.1" 20[06] (\d+) /g);
      return sent.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Runs skopeo, and fails with its error message. */
export async function skopeo(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("skopeo", { args, stdin: "null" }).output();
  if (!success) throw new Error(`skopeo ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Whether a program is installed. */
export async function has(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", `command -v "$0"`, program],
    stdout: "null",
  }).output();
  return success;
}

/** A certificate for 127.0.0.1 and localhost, and the authority that signed it. */
export interface Certificates extends AsyncDisposable {
  /** PEM, for a server's `tls` option. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** The authority's certificate as a file, for `SSL_CERT_FILE` and similar variables. */
  readonly caPath: string;
  readonly ca: string;
}

/** Options of a test that needs certificates: skipped without `openssl`. */
export const NEEDS_OPENSSL = {
  ignore: !await hasOpenssl(),
};

/** Ends the name of a test with {@linkcode NEEDS_OPENSSL}: why it is skipped. */
export const OPENSSL_MISSING = NEEDS_OPENSSL.ignore ? " (skipped: openssl is not installed)" : "";

async function hasOpenssl(): Promise<boolean> {
  try {
    return (await new Deno.Command("openssl", { args: ["version"], stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

/** Creates an authority and a certificate, valid for a day, or returns why it cannot. */
export async function makeCertificates(): Promise<Certificates | { readonly skip: string }> {
  const dir = await Deno.makeTempDir({ prefix: "aim-tls-" });
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", {
      args,
      cwd: dir,
      stdout: "null",
      stderr: "piped",
    })
      .output();
    if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
  try {
    await openssl(
      ...["req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=aim test authority"],
      ...["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"],
    );
    await openssl(
      ...["req", "-x509", ...key, "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=127.0.0.1"],
      ...["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"],
      ...["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
    );
  } catch (error) {
    await Deno.remove(dir, { recursive: true });
    if (error instanceof Deno.errors.NotFound) return { skip: "openssl is not installed" };
    throw error;
  }
  const read = (name: string) => Deno.readTextFile(`${dir}/${name}`);
  return {
    tls: { cert: await read("server.pem"), key: await read("server.key") },
    caPath: `${dir}/ca.pem`,
    ca: await read("ca.pem"),
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

/** The same, in a test with {@linkcode NEEDS_OPENSSL}. */
export async function neededCertificates(): Promise<Certificates> {
  const certificates = await makeCertificates();
  if ("skip" in certificates) throw new Error(certificates.skip);
  return certificates;
}
